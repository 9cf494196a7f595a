"""One card for each set of public weights: where it is from, which network it is for, and what that network expects.

The cards are YAML files, one for each family. A file has the fields that all its weights share, and below ``weights``
those of each one.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

FOLDER = Path(__file__).parent / "cards"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with libyaml
Seen = Literal["yes", "no", "unknown"]
SENTENCES: dict[str, str] = {
    "yes": "the backbone saw CheXpert's training images",
    "no": "the backbone did not see CheXpert's training images",
    "unknown": "it is unknown whether the backbone saw CheXpert's training images",
}
"""By each value of ``saw_chexpert``."""
Format = Literal["safetensors", "state_dict", "pickled_module"]


@dataclass(frozen=True, kw_only=True)
class WeightCard:
    """What is known of a set of weights. Unknown values are None, or the word ``unknown``.

    Args:
        name: by which ``pretrained`` and ``chexpert weights`` find it.
        title: in a few words.
        source: address of the page that describes the weights.
        repository: of the Hugging Face Hub, where the file lies there.
        file: its name there, or at the end of ``url``; None where it is not known.
        url: direct address of the file, where it lies elsewhere and may be fetched without a form.
        format: of the file; a pickled module cannot be read without running its code.
        license: as its owner names it.
        non_commercial: whether the license forbids commercial use; None where no license is stated.
        size_mb: of the file, in units of 10**6 bytes.
        sha256: of the file, in hexadecimal digits.
        network: name of the network in timm.
        options: further arguments of ``timm.create_model``.
        image_size: height and width in pixels of the images that the weights were trained on.
        patch: the image size must be a multiple of it; None where any size will do.
        mean: of each input channel in [0, 1], one value where all are alike.
        std: likewise.
        layout: of the names in the file; see ``chexpert.models.key_layouts``.
        extra: names, or beginnings of names that end with a dot, which the file has and the headless network has not.
        pooling: of the authors. Used here is what the config has, the mean by default.
        pooling_value: value of the config's ``pooling`` that is theirs, layers behind it left aside; None where no
            value is.
        saw_chexpert: whether images of CheXpert's training set were among the training images.
        saw_chexpert_source: who says so.
        preprocessing: of the authors, as far as it differs from resizing and normalizing.
        checked: what was run with the real file, and what was not.
        telltale: names, or beginnings of names that end with a dot, by which the authors' file is recognized.
        library: that the classes of a pickled module are from.
        other_mean: of each channel, with which the weights may be used too; none where there is no other.
        other_std: likewise.
        assumed: what of a file, image size, network, or mean and std is an assumption, and why.
    """

    name: str
    title: str
    source: str
    repository: str | None
    file: str | None
    url: str | None
    format: Format
    license: str
    non_commercial: bool | None
    size_mb: float | None
    sha256: str | None
    network: str
    options: Mapping[str, Any]
    image_size: int
    patch: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: str
    extra: tuple[str, ...]
    pooling: str
    pooling_value: str | None
    saw_chexpert: Seen
    saw_chexpert_source: str
    preprocessing: str | None
    checked: str
    telltale: tuple[str, ...] = ()
    library: str | None = None
    other_mean: tuple[float, ...] = ()
    other_std: tuple[float, ...] = ()
    assumed: Mapping[str, str] = field(default_factory=dict)

    @property
    def gray_mean(self) -> float:
        """Mean of the one gray channel that stands for all."""
        return sum(self.mean) / len(self.mean)

    @property
    def gray_std(self) -> float:
        """Standard deviation, likewise."""
        return sum(self.std) / len(self.std)

    def list_statistics(self) -> Iterator["WeightCard"]:
        """Yield the card, and the same one with the other mean and standard deviation that its weights allow."""
        yield self
        if self.other_mean:
            yield replace(self, mean=self.other_mean, std=self.other_std, other_mean=(), other_std=())

    def select_statistics(self, given: Mapping[str, float | None]) -> "WeightCard | None":
        """Return the card whose mean and std are those that are given; None where there is none.

        Args:
            given: ``mean`` and ``std``, None where the card's own are to be taken.
        """
        first = self
        for card in self.list_statistics():
            own = {"mean": card.gray_mean, "std": card.gray_std}
            wanted = [(value, own[key]) for key, value in given.items() if value is not None]
            whole = card is first or len(wanted) == len(own)  # one value of one pair, and one of the other, is neither
            if whole and all(math.isclose(*pair, rel_tol=1e-4, abs_tol=1e-6) for pair in wanted):
                return card
        return None


@cache
def read_cards(folder: Path = FOLDER) -> dict[str, WeightCard]:
    """Return all cards by name, in the order of their files.

    Raises:
        ValueError: a card has a key too many or too few, or a value that is not possible.
    """
    cards: dict[str, WeightCard] = {}
    for file in sorted(folder.glob("*.yaml")):
        shared = yaml.load(file.read_text(encoding="utf-8"), LOADER)
        for name, own in shared.pop("weights").items():
            if name in cards:
                raise ValueError(f"{file}: {name} is the name of two cards")
            cards[name] = _make(f"{file}: {name}", name, shared, own or {})
    return cards


def get_card(name: str) -> WeightCard | None:
    """Return the card of this name."""
    return read_cards().get(name)


def list_near_names(name: str, count: int = 3) -> list[str]:
    """Return the names of cards that are nearly this one.

    >>> list_near_names("raddino", 1)
    ['rad-dino']
    """
    return get_close_matches(name.lower(), read_cards(), n=count, cutoff=0.5)


def _make(where: str, name: str, shared: Mapping[str, Any], own: Mapping[str, Any]) -> WeightCard:
    if twice := sorted(shared.keys() & own.keys()):
        raise ValueError(f"{where}: given for the family too: {twice}")
    values: dict[str, Any] = {**shared, **own, "name": name}
    known = {one.name for one in fields(WeightCard)}
    optional = {one.name for one in fields(WeightCard) if not one.default is one.default_factory is MISSING}
    missing, unknown = known - optional - values.keys(), values.keys() - known
    if missing or unknown:
        raise ValueError(f"{where}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    for key, words in (("saw_chexpert", get_args(Seen)), ("format", get_args(Format))):
        if values[key] not in words:
            raise ValueError(f"{where}: {key} is {values[key]!r}, not one of {words}")
    for key in ("mean", "std", "extra", "telltale", "other_mean", "other_std"):
        values[key] = tuple(values.get(key, ()))
    if values["pooling_value"] not in (None, "avg", "max", "cls", "cls+avg"):
        raise ValueError(f"{where}: {values['pooling_value']!r} is no pooling")
    if not len(values["mean"]) == len(values["std"]) or len(values["mean"]) not in (1, 3):
        raise ValueError(f"{where}: mean and std have one value, or one for each of three channels")
    if len(values["other_mean"]) != len(values["other_std"]):
        raise ValueError(f"{where}: other_mean and other_std belong together")
    return WeightCard(**values)
