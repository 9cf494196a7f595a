"""What a value of ``pretrained`` names: a card, a repository of the Hugging Face Hub, or a file."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from chexpert.errors import UserError
from chexpert.weights.card import WeightCard, get_card, read_cards

HUB = "hf:"
HUBS = (HUB, "hf-hub:")
"""timm's own spelling is the longer one."""
REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


class Source(NamedTuple):
    """Where weights come from; exactly one of card and repository, or a file with or without a card."""

    card: WeightCard | None = None
    repository: str | None = None
    file: str | None = None


def parse_source(value: str) -> Source:
    """Return what a value names.

    Args:
        value: ``NAME`` of a card, ``NAME:FILE`` (a copy of its file), ``hf:OWNER/REPO`` (or ``hf-hub:``),
            or ``FILE``. A card goes before a file of the same name; ``./NAME`` is the file.

    Raises:
        UserError: no such form of a repository, or several cards are of one.

    >>> parse_source("rad-dino").card.network, parse_source("a/b.pt").file
    ('vit_base_patch14_dinov2', 'a/b.pt')
    >>> parse_source("rad-dino:a/b.pt").file, parse_source("hf:timm/resnet18.a1_in1k").repository
    ('a/b.pt', 'timm/resnet18.a1_in1k')
    """
    if value.startswith(HUBS):
        return _parse_repository(value.partition(":")[2])
    name, colon, file = value.partition(":")
    card = get_card(name)
    return Source(card, file=file or None) if card and (file or not colon) else Source(file=value)


def _parse_repository(repository: str) -> Source:
    if not REPOSITORY.fullmatch(repository) or ".." in repository:
        message = f"{repository!r} is no repository of the Hugging Face Hub"
        raise UserError(
            message, code="value", where=f"pretrained={HUB}{repository}", hint=f"pretrained={HUB}OWNER/REPO"
        )
    cards = [card for card in read_cards().values() if card.repository == repository]
    if len(cards) > 1:
        message = f"{repository} has weights of several networks"
        hint = " or ".join(f"pretrained={card.name}" for card in cards)
        raise UserError(message, code="ambiguous-weights", where=f"pretrained={HUB}{repository}", hint=hint)
    return Source(cards[0]) if cards else Source(repository=repository)


def names_a_file(value: object) -> bool:
    """Return whether a value of ``pretrained`` names a file.

    >>> names_a_file("rad-dino"), names_a_file("rad-dino:x.pt"), names_a_file("hf:a/b"), names_a_file(True)
    (False, True, False, False)
    """
    if not isinstance(value, str) or value == "auto" or value.startswith(HUBS):
        return False
    return parse_source(value).file is not None


def fill_options(node: Any, image_size: int | list[int] | None) -> Any:
    """Return the node of a model, with the options that the cards of its backbones ask for.

    They stand in the config of a run then, so that its checkpoints can be loaded without the card: a checkpoint has all
    weights, and its config no ``pretrained``. A network of patches is made for the images of the run, since its
    position embeddings are resampled to them.

    Args:
        node: config node; anything but a mapping is returned as it is.
        image_size: of the run, in pixels: of a square, or height and width.
    """
    if not isinstance(node, Mapping):
        return node
    filled = {key: fill_options(value, image_size) for key, value in node.items()}
    value = filled.get("pretrained")
    if not isinstance(value, str) or "name" not in filled:
        return filled
    try:
        card = parse_source(value).card
    except UserError:  # the check of the arguments reports it
        return filled
    if card is None or filled["name"] != card.network:
        return filled
    size = {"img_size": image_size} if card.patch and image_size else {}
    options = {**card.options, **size, **(filled.get("options") or {})}
    return filled | ({"options": options} if options else {})
