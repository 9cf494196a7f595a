"""Public weights for a backbone, and the errors where a config contradicts their card."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from chexpert.errors import OWN, UserError
from chexpert.image_size import ImageSize
from chexpert.models.fetch import fetch, fetch_repository
from chexpert.weights import Source, WeightCard, list_near_names, parse_source, read_cards

WAYS = "true, false, a name of chexpert weights list, hf:OWNER/REPO, or the path of a file"


COMMON_FILES = {"model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin"}
"""Names of files in many repositories of the Hub."""


class PublicWeights(NamedTuple):
    """A card and its file."""

    card: WeightCard
    path: Path


def get_public_weights(
    source: Source, name: str, options: Mapping[str, Any], statistics: Mapping[str, float | None]
) -> PublicWeights | None:
    """Return the card and the file of public weights; None where a source names none.

    Raises:
        UserError: the file cannot be had, or the network of a repository is another one, or has other options
            or statistics.
    """
    if source.card:
        return PublicWeights(source.card, Path(source.file) if source.file else fetch(source.card))
    if source.repository is None:
        return None
    card, path = fetch_repository(source.repository, name)
    if lacking := {key: value for key, value in card.options.items() if options.get(key) != value}:
        message = f"its network has other options: {lacking}"
        hint = " ".join(f"+backbone.options.{key}={value}" for key, value in lacking.items())
        raise UserError(message, code="conflict", where=f"pretrained={card.name}", hint=hint)
    for error in check_statistics(card, statistics, "backbone."):
        raise error
    return PublicWeights(card, path)


def check_weights(
    pretrained: object, name: str, options: Mapping[str, Any], statistics: Mapping[str, float | None]
) -> list[UserError]:
    """Return the errors in ``pretrained``, and in what stands beside it, before anything is downloaded.

    Args:
        pretrained: as the config has it.
        name: of the network.
        options: of the network.
        statistics: ``mean`` and ``std`` of the config, None where they are not given.
    """
    where = f"{OWN}pretrained"
    if isinstance(pretrained, bool):
        return []
    if not isinstance(pretrained, str):
        message = f"{pretrained!r} is not possible"
        return [UserError(message, code="value", where=where, hint=f"pretrained={WAYS}")]
    try:
        source = parse_source(pretrained)
    except UserError as error:
        return [UserError(error.message, code=error.code, where=where, hint=error.hint)]
    errors = []
    if source.file and not Path(source.file).is_file():
        near = [] if source.card else list_near_names(pretrained.partition(":")[0])
        hint = " or ".join(f"pretrained={one}" for one in near) or f"pretrained={WAYS}"
        message = f"no such weight file: {source.file}" + " (nor public weights of that name)" * (not source.card)
        errors.append(UserError(message, code="missing-file", where=where, hint=hint))
    elif source.file and not source.card:
        errors += check_plain_file(source.file, name)
    return errors + (list(list_contradictions(source.card, name, options, statistics)) if source.card else [])


def list_contradictions(
    card: WeightCard, name: str, options: Mapping[str, Any], statistics: Mapping[str, float | None]
) -> Iterator[UserError]:
    """Yield an error for each setting that the weights of a card were not trained with."""
    if name != card.network:
        message = f"{card.name} are weights of {card.network}, not of {name}"
        yield UserError(message, code="other-weights", where=f"{OWN}name", hint=f"{OWN}name={card.network}")
        return
    for key, value in card.options.items():
        if key in options and options[key] != value:
            message = f"{card.name} needs {key}={value}, not {options[key]}"
            yield UserError(message, code="conflict", where=f"{OWN}options", hint=f"leave {key} out: the card has it")
    yield from check_statistics(card, statistics, OWN)
    with suppress(ValueError):  # the data module reports what is no size
        size = ImageSize.of(options.get("img_size"))
        if card.patch and any(side % card.patch for side in size):
            message = f"{card.name} takes multiples of {card.patch} px, not {size}"
            hint = " or ".join(
                f"data.image_size={fit.setting}" for fit in fitting_sizes(size, (card.patch, card.patch))
            )
            yield UserError(message, code="image-size", where="data.image_size", hint=hint)


def check_statistics(card: WeightCard, given: Mapping[str, float | None], where: str) -> Iterator[UserError]:
    """Yield an error where the mean and std of a config are none that the card has.

    Args:
        card: of the weights.
        given: ``mean`` and ``std`` of the config, None where they are not given.
        where: what stands before these keys in the error.
    """
    if card.select_statistics(given):
        return
    known = " or ".join(f"{one.gray_mean:.8g}, {one.gray_std:.8g}" for one in card.list_statistics())
    words = ", ".join(f"{key} {value:g}" for key, value in given.items() if value is not None)
    key = next(key for key, value in given.items() if value is not None)
    message = f"{words} contradicts {card.name}, whose mean and std are {known}"
    yield UserError(message, code="conflict", where=f"{where}{key}", hint="leave mean and std out: the card has them")


def check_plain_file(path: str, network: str) -> Iterator[UserError]:
    """Yield an error where a file is that of a card, by its name or SHA-256, and no card is named.

    Its mean and std would be taken for those of timm's own weights.
    """
    for card in read_cards().values():
        if card.network == network and (is_name_of(card, path) or has_sha256_of(card, path)):
            message = f"{path} is the file of {card.title}, whose mean and std stand in its card"
            yield UserError(
                message, code="other-weights", where=f"{OWN}pretrained", hint=f"pretrained={card.name}:{path}"
            )
            return


def is_name_of(card: WeightCard, path: str) -> bool:
    """Return whether a file is called as that of a card; names that many repositories have do not count."""
    return Path(path).name == card.file and card.file not in COMMON_FILES


def has_sha256_of(card: WeightCard, path: str) -> bool:
    """Return whether a file is that of a card; it is read only where its size is the card's."""
    if card.sha256 is None or card.size_mb is None or abs(Path(path).stat().st_size / 1e6 - card.size_mb) > 1:
        return False
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == card.sha256


def fitting_sizes(size: ImageSize, cell: tuple[int, int]) -> list[ImageSize]:
    """Return the sizes of whole cells next to a size, below and above; a side that fits stays as it is.

    Args:
        size: of an image.
        cell: height and width of a cell, or of a patch, in pixels.

    Returns:
        The size whose sides are the largest multiples that are not above, unless one is 0, and the size whose sides
        are the smallest that are not below.

    >>> [fit.setting for fit in fitting_sizes(ImageSize(320, 280), (14, 14))]
    ['[308,280]', '[322,280]']
    """
    below = ImageSize(*(side // own * own for side, own in zip(size, cell, strict=True)))
    above = ImageSize(*(-(-side // own) * own for side, own in zip(size, cell, strict=True)))
    return [fit for fit in dict.fromkeys((below, above)) if all(fit)]
