"""What thresholds and calibration of one observation give on new labels: as they are, for another prevalence, refitted.

Nothing is evaluated on the rows that it was fitted on: the thresholds as they are come from other studies, those for
another prevalence use no label, and those of the refit are evaluated by cross-validation over patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chexpert.evaluation.observation_metrics import describe_share, interval_to_dict
from chexpert.metrics import percentile_interval
from chexpert.metrics.calibration import METHODS, Parameters, calibrate
from chexpert.metrics.operating_point import get_rule
from chexpert.metrics.prior_shift import adjust_prevalence, estimate_prevalence, expected_threshold, shift_logits
from chexpert.metrics.resampling import compute_replicates, mean_sums

REMEDIES = ("as_is", "prior_shift", "refit")
LEAST = 10
"""Positives, and negatives, below which an observation is left as it is."""
FOLDS = 5
REFITS = 200
"""Resamples in which thresholds are chosen anew, for their interval."""
SHARES = ("sensitivity", "specificity", "ppv", "npv")

Fit = tuple[Parameters, dict[str, float]]
"""Calibration, and thresholds of raw scores by rule."""


@dataclass(frozen=True)
class Given:
    """The n rows of an observation that have a new label, and what the run has for it.

    Attributes:
        scores: (n,) in [0, 1].
        labels: (n,) in {0, 1}.
        studies: (n,) int, the number of each row's study.
        patients: (n,) int.
        method: of the calibration.
        fitted: the run's calibration.
        thresholds: the run's, by rule.
        before: prevalence in (0, 1) of the rows that the run fitted them on.
        after: prevalence in (0, 1) that is known; None: it is estimated from the scores.
    """

    scores: np.ndarray
    labels: np.ndarray
    studies: np.ndarray
    patients: np.ndarray
    method: str
    fitted: Parameters
    thresholds: Mapping[str, float]
    before: float
    after: float | None = None

    @property
    def enough(self) -> bool:
        """Whether there are enough rows of both classes for a refit."""
        return min(self.labels.sum(), (1 - self.labels).sum()) >= LEAST


def fit_shift(given: Given) -> tuple[Fit, float] | None:
    """Return calibration and thresholds for another prevalence, and that prevalence; None where it is estimated 0 or 1.

    No label is used.
    """
    probabilities = calibrate(given.scores, given.fitted)
    after = estimate_prevalence(probabilities, given.before) if given.after is None else given.after
    if not 0.001 < after < 0.999:
        return None
    fitted = dict(given.fitted)
    if "slope" in fitted:
        fitted["intercept"] += shift_logits(given.before, after)
    else:
        fitted["probabilities"] = adjust_prevalence(fitted["probabilities"], given.before, after).tolist()
    shifted = calibrate(given.scores, fitted)
    chosen = {rule: expected_threshold(rule, given.scores, shifted) for rule in given.thresholds}
    return (fitted, chosen), after


def refit(given: Given, rows: np.ndarray | None = None) -> Fit:
    """Fit calibration and thresholds by the labels of all rows, or of some (n,) bool."""
    scores, labels = (part if rows is None else part[rows] for part in (given.scores, given.labels))
    return METHODS[given.method](scores, labels), {rule: get_rule(rule)(scores, labels) for rule in given.thresholds}


def split_patients(given: Given, seed: int) -> np.ndarray:
    """Return the fold (n,) int of each row: patients are shuffled, those with positives are dealt out first."""
    count = int(given.patients.max()) + 1
    positives = np.bincount(given.patients, given.labels, count)
    order = np.lexsort((np.random.default_rng(seed).random(count), -positives))
    folds = np.empty(count, int)
    folds[order] = np.arange(count) % FOLDS
    return folds[given.patients]


def cross_validate(given: Given, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
    """Return of each row the calibrated probability (n,) and by rule the decision (n,) of a fit on other patients.

    None where the other folds of one lack a class.
    """
    folds = split_patients(given, seed)
    probabilities = np.empty(len(folds))
    decisions = {rule: np.empty(len(folds), bool) for rule in given.thresholds}
    for fold in np.unique(folds):
        own = folds == fold
        if len(np.unique(given.labels[~own])) < 2:
            return None
        fitted, chosen = refit(given, ~own)
        probabilities[own] = calibrate(given.scores[own], fitted)
        for rule, threshold in chosen.items():
            decisions[rule][own] = given.scores[own] >= threshold
    return probabilities, decisions


def evaluate_remedies(given: Given, counts: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Return sensitivity, specificity and predictive values of each remedy, with 95 % intervals over studies.

    Args:
        given: the rows.
        counts: (S, R), how often each study was sampled.
        seed: of the folds.

    Returns:
        By remedy ``brier``, ``prevalence`` (that it assumes) and ``rules``: by rule ``threshold`` and ``SHARES``. The
        refit's thresholds have an interval over resampled studies. A remedy that cannot be fitted is None.
    """
    found: dict[str, Any] = dict.fromkeys(REMEDIES)
    plain = calibrate(given.scores, given.fitted), {r: given.scores >= t for r, t in given.thresholds.items()}
    found["as_is"] = _describe(given, counts, *plain, given.thresholds, given.before)
    if shift := fit_shift(given):
        (fitted, chosen), after = shift
        decisions = {rule: given.scores >= threshold for rule, threshold in chosen.items()}
        found["prior_shift"] = _describe(given, counts, calibrate(given.scores, fitted), decisions, chosen, after)
    if given.enough and (held_out := cross_validate(given, seed)):
        chosen = refit(given)[1]
        found["refit"] = _describe(given, counts, *held_out, chosen, float(given.labels.mean()))
        spread = resample_thresholds(given, counts[:, :REFITS])
        for rule, own in found["refit"]["rules"].items():
            own["threshold_interval"] = interval_to_dict(
                percentile_interval(chosen[rule], spread[rule], len(given.labels))
            )
    return found


def resample_thresholds(given: Given, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the thresholds (R,) by rule that each resample of studies gives; NaN where it lacks a class."""
    found = {rule: np.full(counts.shape[1], np.nan) for rule in given.thresholds}
    for replicate, times in enumerate(counts[given.studies].T):
        scores, labels = np.repeat(given.scores, times), np.repeat(given.labels, times)
        for rule, values in found.items():
            values[replicate] = get_rule(rule)(scores, labels)
    return found


def measure_decisions(given: Given, decisions: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """Return ``SHARES`` of decisions (n,) bool, each with its interval; NaN where no row counts."""
    positive = given.labels == 1
    right = decisions == positive
    subsets = dict(zip(SHARES, (positive, ~positive, decisions, ~decisions), strict=True))
    sums = [(mean_sums(right[rows]), given.studies[rows]) for rows in subsets.values()]
    values = compute_replicates(sums, counts)
    return {name: describe_share(right[rows], own) for (name, rows), own in zip(subsets.items(), values, strict=True)}


def _describe(
    given: Given, counts: np.ndarray, probabilities: np.ndarray, decisions: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float], prevalence: float,
) -> dict[str, Any]:  # fmt: skip
    errors = (probabilities - given.labels) ** 2
    (brier,) = compute_replicates([(mean_sums(errors), given.studies)], counts)
    rules = {
        rule: {"threshold": thresholds[rule]} | measure_decisions(given, own, counts) for rule, own in decisions.items()
    }
    interval = percentile_interval(float(errors.mean()), brier, len(errors))
    return {"prevalence": prevalence, "brier": interval_to_dict(interval), "rules": rules}


def number_patients(studies: Sequence[str]) -> np.ndarray:
    """Return the number of the patient of each row, from the name of its study; other names are a patient each.

    >>> number_patients(["patient1/study1", "patient2/study1", "patient1/study2"])
    array([0, 1, 0])
    """
    return np.unique([name.partition("/study")[0] for name in studies], return_inverse=True)[1]
