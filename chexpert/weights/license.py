"""The licenses of the weights that a model started from: whoever passes the model on has to keep to them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from chexpert.errors import UserError
from chexpert.weights.card import read_cards
from chexpert.weights.source import parse_source

UNKNOWN = "not known here"


class StartLicense(NamedTuple):
    """Weights that a model started from; ``non_commercial`` is None where the license is not known."""

    weights: str
    license: str
    non_commercial: bool | None


def list_licenses(
    model: Any, start_from: object = None, contamination: object = None, made_of: object = None
) -> list[StartLicense]:
    """Return the licenses of the weights that a run started from; none where it began with random weights.

    Args:
        model: config node of the model, with ``pretrained`` as the run had it.
        start_from: of the run's config: an earlier run, whose weights may have a license of their own.
        contamination: the sentence by which a run records what its weights have seen. It names the cards of weights
            that an earlier run started from.
        made_of: what averaged weights or a distilled network were made of, with the licenses of each part.

    >>> list_licenses({"backbone": {"name": "vit_base_patch14_dinov2", "pretrained": "rad-dino"}})[0].weights
    'rad-dino'
    >>> list_licenses({"backbone": {"name": "resnet18", "pretrained": False}})
    []
    """
    found = [*_walk(model), *_read_sentence(contamination)]
    if isinstance(start_from, str):
        found.append(StartLicense("an earlier run (start_from)", UNKNOWN, None))
    return list(dict.fromkeys([*found, *_read_parts(made_of)]))


def _read_parts(made_of: object) -> Iterator[StartLicense]:
    """Yield the licenses of members and teachers; of one that an older version described, that they are not known."""
    if not isinstance(made_of, Mapping):
        return
    for own in (*made_of.get("members", ()), *made_of.get("teachers", ())):
        if "licenses" not in own:
            yield StartLicense("weights of a member or teacher", UNKNOWN, None)
        for one in own.get("licenses", ()):
            yield StartLicense(str(one["weights"]), str(one["license"]), one["non_commercial"])


def describe_part(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint says of its own start, for what is made of it: ``contamination`` and ``licenses``."""
    config, sentence = metadata["config"], metadata.get("contamination")
    found = list_licenses(config.get("model"), config.get("start_from"), sentence, metadata.get("made_of"))
    return {"contamination": sentence, "licenses": [one._asdict() for one in found]}


def _walk(node: Any) -> Iterator[StartLicense]:
    if not isinstance(node, Mapping):
        return
    value = node.get("pretrained")
    if value is True and "name" in node:
        yield StartLicense(f"timm's weights of {node['name']}", UNKNOWN, None)
    elif isinstance(value, str):
        yield _read_source(value)
    for own in node.values():
        yield from _walk(own)


def _read_source(value: str) -> StartLicense:
    try:
        source = parse_source(value)
    except UserError:
        return StartLicense("weights of unknown origin", UNKNOWN, None)
    if source.card:
        return StartLicense(source.card.name, source.card.license, source.card.non_commercial)
    return StartLicense(value if source.repository else "a file of weights", UNKNOWN, None)


def _read_sentence(contamination: object) -> Iterator[StartLicense]:
    if not isinstance(contamination, str):
        return
    for card in read_cards().values():
        if re.search(rf"(?<![\w-]){re.escape(card.name)}(?![\w-])", contamination):
            yield StartLicense(card.name, card.license, card.non_commercial)
