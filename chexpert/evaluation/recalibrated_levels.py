"""What a recalibration fits at both levels, beside what stays as the run has it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chexpert.evaluation.calibration import Calibration
from chexpert.evaluation.join import LabeledScores
from chexpert.evaluation.remedies import Fit, Given, fit_shift, number_patients, refit
from chexpert.evaluation.thresholds import Thresholds

FITTED_ON = "recalibration"
"""What calibration.json and thresholds.json name in the place of a split."""
GIVEN = "given"
"""Kind of the labels that a refit was given."""


@dataclass(frozen=True)
class Fitted:
    """What was fitted for an observation.

    Attributes:
        fit: calibration, and thresholds by rule.
        positives: labeled rows with the finding.
        negatives: without it.
    """

    fit: Fit
    positives: int
    negatives: int


FittedLevels = Mapping[str, Mapping[str, Fitted]]
"""By level and observation; an observation that could not be fitted is missing."""


def take_given(
    labeled: LabeledScores, name: str, calibration: Calibration, thresholds: Thresholds, after: float | None
) -> Given | None:
    """Return the labeled rows of an observation; None where the run has no calibration or threshold of it."""
    fitted = calibration.levels.get(labeled.level, {}).get(name)
    own = thresholds.levels.get(labeled.level, {}).get(name)
    if not fitted or not own or None in own["thresholds"].values():
        return None
    scores, labels, studies = labeled.column(name)
    rows = np.isfinite(labeled.labels[:, list(labeled.observations).index(name)])
    patients = number_patients([study for study, known in zip(labeled.study_names(), rows, strict=True) if known])
    before = own["positives"] / (own["positives"] + own["negatives"])
    return Given(
        scores, labels, studies, patients, calibration.method, fitted, own["thresholds"], before, after
    )  # fmt: skip


def fit_levels(
    joined: Mapping[str, LabeledScores], calibration: Calibration, thresholds: Thresholds,
    known: Mapping[str, float], write: str,
) -> FittedLevels:  # fmt: skip
    """Fit each observation at each level by the remedy ``write``, where that is possible."""
    found: dict[str, dict[str, Fitted]] = {}
    for level, labeled in joined.items():
        found[level] = {}
        for name in labeled.observations:
            given = take_given(labeled, name, calibration, thresholds, known.get(name))
            if given and (fit := _fit(given, write)):
                positives = int(given.labels.sum())
                found[level][name] = Fitted(fit, positives, len(given.labels) - positives)
    return found


def list_kept(joined: Mapping[str, LabeledScores], levels: FittedLevels) -> list[str]:
    """Return the observations that are left as they are, with the level where it is not so at all."""
    missing = {level: [name for name in joined[level].observations if name not in levels[level]] for level in joined}
    names = dict.fromkeys(name for own in missing.values() for name in own)
    everywhere = [name for name in names if all(name in own for own in missing.values())]
    partly = [f"{name} ({level})" for level, own in missing.items() for name in own if name not in everywhere]
    return everywhere + partly


def merge_calibration(calibration: Calibration, levels: FittedLevels) -> Calibration:
    """Return the calibration with what was fitted; the rest stays. It records whose place it takes."""
    merged = {
        level: dict(calibration.levels.get(level, {})) | {name: own.fit[0] for name, own in fitted.items()}
        for level, fitted in levels.items()
    }
    return replace(calibration, fitted_on=FITTED_ON, levels=merged, of=calibration.digest)


def merge_thresholds(thresholds: Thresholds, levels: FittedLevels, *, given: bool) -> Thresholds:
    """Return the thresholds with what was fitted; the rest stays.

    ``given``: they were chosen on the given labels, and have the counts of these. Otherwise no label was used, and kind
    and counts stay those of the labels that the run has chosen them on.
    """
    kept = {level: thresholds.levels.get(level, {}) for level in levels}
    everything = given and all(kept[level].keys() <= fitted.keys() for level, fitted in levels.items())
    mark = {} if everything or thresholds.labels == GIVEN else {"labels": GIVEN}
    merged: dict[str, dict[str, Any]] = {level: dict(own) for level, own in kept.items()}
    for level, fitted in levels.items():
        for name, own in fitted.items():
            counts = {"positives": own.positives, "negatives": own.negatives} | mark if given else kept[level][name]
            merged[level][name] = dict(counts) | {"thresholds": own.fit[1]}
    kind = GIVEN if everything else thresholds.labels
    return replace(thresholds, chosen_on=FITTED_ON, labels=kind, levels=merged)


def _fit(given: Given, write: str) -> Fit | None:
    if write == "refit":
        return refit(given) if given.enough else None
    shift = fit_shift(given) if len(given.scores) else None
    return shift[0] if shift else None
