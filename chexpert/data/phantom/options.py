"""What can be asked of a phantom."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from chexpert.data.phantom.findings import PAINTED
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.observations import OBSERVATIONS
from chexpert.problem import ProblemError

VERSION = 4  # raise it when a film or a label changes, so that `find_phantom` draws anew
_COUNTS = {"train": "patients", "valid": "valid", "test": "test"}
DEFECTS = ("missing", "truncated", "duplicate", "shared")


@dataclass(frozen=True)
class Options:
    """Everything that decides the bytes of a phantom.

    Args:
        patients: in train; 370 have about 1,200 frontal films, a patient has 1 to 20 studies.
        valid: patients in valid, of one study each.
        test: patients in test, of one study each.
        size: short side of the films in pixels.
        seed: another seed, other patients.
        layout: how the files lie, one of `LAYOUTS`; chexlocalize has no train, plus has no test.
        labellers: write train_cheXbert.csv and train_visualCheXbert.csv too.
        enriched: Atelectasis, Cardiomegaly and Consolidation as frequent as 240 films need; false: as in CheXpert.
        laterals: share of laterals among all views, below one half.
        strength: factor on the visibility of a finding, 1 where unnamed.
        shortcut: probability of Support Devices with Cardiomegaly, 1 - that without. Then independent/ and reversed/
            hold valid (and test) with one half and with 1 - shortcut: the same but for the devices.
        counterfactuals: observations; counterfactual/<observation>/ has the valid films that show it, without it.
        defects: of `DEFECTS`, planted after writing and listed in phantom/defects.json.
    """

    patients: int = 370
    valid: int = 240
    test: int = 0
    size: int = 256
    seed: int = 0
    layout: str = "small"
    labellers: bool = False
    enriched: bool = True
    laterals: float = 0.145
    strength: Mapping[str, float] = field(default_factory=dict)
    shortcut: float | None = None
    counterfactuals: Sequence[str] = ()
    defects: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, kind in (("strength", dict), ("counterfactuals", tuple), ("defects", tuple)):
            object.__setattr__(self, name, kind(getattr(self, name)))  # a config may hold lists of its own kind
        _refuse_unknown("layout", [self.layout], tuple(LAYOUTS))
        _refuse_unknown("defects", self.defects, DEFECTS)
        _refuse_unknown("strength", self.strength, PAINTED)
        _refuse_unknown("counterfactuals", self.counterfactuals, OBSERVATIONS[1:])
        least = {"patients": 0, "valid": 0, "test": 0, "size": 16, "seed": 0}
        for name, low in least.items():
            _refuse_unless(getattr(self, name) >= low, name, getattr(self, name), f"a whole number, at least {low}")
        _refuse_unless(0 <= self.laterals < 0.5, "laterals", self.laterals, "a share below 0.5")
        for name, factor in self.strength.items():
            _refuse_unless(factor > 0, f"strength[{name}]", factor, "a factor above 0")
        if self.shortcut is not None:
            _refuse_unless(0 <= self.shortcut <= 1, "shortcut", self.shortcut, "a probability")
        drawn = [name for name in LAYOUTS[self.layout].tables if getattr(self, _COUNTS[name])]
        _refuse_unless(bool(drawn), "patients, valid, test", 0, "at least one patient: there is nothing to draw")
        _refuse_unless("test" in LAYOUTS[self.layout].tables or not self.test, "test", self.test, "0 in this layout")

    def record(self) -> dict[str, Any]:
        """Version and options, as JSON gives them back."""
        return dict(json.loads(json.dumps({"version": VERSION} | asdict(self))))

    def name(self) -> str:
        """A folder name of its own for every phantom: the plain numbers, and a digest of all other options.

        >>> Options(seed=3).name()
        'phantom4-370-240-0-256px-seed3'
        """
        plain = f"phantom{VERSION}-{self.patients}-{self.valid}-{self.test}-{self.size}px-seed{self.seed}"
        named = ("patients", "valid", "test", "size", "seed")
        others = {key: value for key, value in asdict(self).items() if key not in named}
        usual = {key: value for key, value in asdict(Options()).items() if key not in named}
        if others == usual:
            return plain
        return f"{plain}-{self.layout}-{sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()[:10]}"


def _refuse_unknown(option: str, given: Sequence[str] | Mapping[str, float], known: Sequence[str]) -> None:
    for value in given:
        if value not in known:
            raise ProblemError(f"unknown {option}: {value!r}", where="the phantom", mend=f"one of {', '.join(known)}")


def _refuse_unless(fine: bool, option: str, value: object, mend: str) -> None:
    if not fine:
        raise ProblemError(f"{option} = {value!r} is not possible", where="the phantom", mend=mend)
