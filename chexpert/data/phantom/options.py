"""What can be asked of a phantom."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from math import inf
from typing import Any

from chexpert.data.phantom.images.findings import PAINTED
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.errors import OWN, UserError
from chexpert.observations import OBSERVATIONS

VERSION = 4  # raise it when a radiograph or a label changes, so that `find_phantom` paints anew
_COUNTS = {"train": "patients", "valid": "valid", "test": "test"}
_RANGES = {
    "patients": (0, 64_513),  # more would share their numbers, by `number_patient`
    "valid": (0, 10_200),
    "test": (0, 20_499),
    "size": (16, 4_096),  # CheXpert's largest radiographs have some 2,800 pixels
    "seed": (0, 2**63 - 1),
}
DEFECTS = ("missing", "truncated", "duplicate", "shared")


@dataclass(frozen=True)
class Options:
    """Everything that decides the bytes of a phantom.

    Args:
        patients: in train; 370 have about 1,200 frontal radiographs, a patient has 1 to 20 studies.
        valid: patients in valid, of one study each.
        test: patients in test, of one study each.
        size: short side of the radiographs in pixels.
        seed: another seed, other patients.
        layout: how the files lie: small, full, mlmip, aimi, bare, flat, chexlocalize or plus; chexlocalize has
            no train, plus has no test.
        labelers: write train_cheXbert.csv and train_visualCheXbert.csv too.
        enriched: Atelectasis, Cardiomegaly and Consolidation as frequent as 240 images need; false: as in CheXpert.
        laterals: share of laterals among all views, below one half.
        strength: factor on the visibility of a finding, 1 where unnamed.
        shortcut: probability of Support Devices with Cardiomegaly, 1 - that without. Then independent/ and reversed/
            hold valid (and test) with one half and with 1 - shortcut: the same but for the devices.
        counterfactuals: observations; counterfactual/<observation>/ has the valid radiographs that show it, without it.
        defects: missing, truncated, duplicate or shared; planted after writing, and listed in
            phantom/defects.json.
    """

    patients: int = 370
    valid: int = 240
    test: int = 0
    size: int = 256
    seed: int = 0
    layout: str = "small"
    labelers: bool = False
    enriched: bool = True
    laterals: float = 0.145
    strength: Mapping[str, float] = field(default_factory=dict)
    shortcut: float | None = None
    counterfactuals: Sequence[str] = ()
    defects: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            fine = _is(int, value := getattr(self, name)) and low <= value <= high
            _refuse_unless(fine, name, value, f"a whole number from {low} to {high}")
        for name in ("labelers", "enriched"):
            _refuse_unless(isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false")
        _refuse_unless(_is(float, self.laterals) and 0 <= self.laterals < 0.5, "laterals", self.laterals, "below 0.5")
        tie = self.shortcut
        _refuse_unless(tie is None or (_is(float, tie) and 0 <= tie <= 1), "shortcut", tie, "a probability")
        _refuse_unknown("layout", [self.layout], tuple(LAYOUTS))
        self._check_lists()
        splits = [name for name in LAYOUTS[self.layout].tables if getattr(self, _COUNTS[name])]
        _refuse_unless(bool(splits), "patients, valid, test", 0, "at least one patient: there is nothing to paint")
        _refuse_unless("test" in LAYOUTS[self.layout].tables or not self.test, "test", self.test, "0 in this layout")

    def _check_lists(self) -> None:
        for name, known in (("counterfactuals", OBSERVATIONS[1:]), ("defects", DEFECTS)):
            given = getattr(self, name)
            _refuse_unless(isinstance(given, Sequence) and not isinstance(given, str), name, given, "a list")
            _refuse_unknown(name, given, known)
            object.__setattr__(self, name, tuple(given))  # a config may hold lists of its own kind
        _refuse_unless(isinstance(self.strength, Mapping), "strength", self.strength, "factors by finding")
        _refuse_unknown("strength", self.strength, PAINTED)
        for name, factor in self.strength.items():
            fine = _is(float, factor) and 0 < factor < inf
            _refuse_unless(fine, f"strength[{name}]", factor, "a factor above 0")
        object.__setattr__(self, "strength", dict(self.strength))

    def record(self) -> dict[str, Any]:
        """Return version and options, as JSON gives them back."""
        return dict(json.loads(json.dumps({"version": VERSION} | asdict(self))))

    def name(self) -> str:
        """Return a folder name of its own for every phantom: the plain numbers, and a digest of all other options.

        >>> Options(seed=3).name()
        'phantom4-370-240-0-256px-seed3'
        """
        plain = f"phantom{VERSION}-{self.patients}-{self.valid}-{self.test}-{self.size}px-seed{self.seed}"
        named = ("patients", "valid", "test", "size", "seed")
        others = {key: value for key, value in asdict(self).items() if key not in named}
        usual = {key: value for key, value in asdict(Options()).items() if key not in named}
        if others == usual:
            return plain
        others["labellers"] = others.pop("labelers")  # as it was called when the first folders were named
        return f"{plain}-{self.layout}-{sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()[:10]}"


def _is(kind: type, value: object) -> bool:
    """Whether it is a number, whole if `kind` is int; true and false are none, though Python takes them for 1 and 0."""
    return isinstance(value, kind | int) and not isinstance(value, bool)


def _refuse_unknown(option: str, given: Iterable[object], known: Sequence[str]) -> None:
    for value in given:
        if value not in known:
            raise UserError(
                f"unknown: {value!r}", code="choice", where=f"{OWN}{option}", hint=f"one of {', '.join(known)}"
            )


def _refuse_unless(fine: bool, option: str, value: object, hint: str) -> None:
    if not fine:
        raise UserError(f"{value!r} is not possible", code="value", where=f"{OWN}{option}", hint=hint)
