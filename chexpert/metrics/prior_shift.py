"""Probabilities and thresholds for another prevalence: the labels change, what positives look like does not.

Source: Saerens, Latinne and Decaestecker 2002, doi.org/10.1162/089976602753284446, for two classes. The correction
holds if the scores of positives, and those of negatives, are distributed as before. Where labels mean something else,
as those of reports and of radiologists do, that is an assumption, to be checked on labels of the new kind.
"""

import numpy as np
from numpy.typing import ArrayLike

from chexpert.metrics.calibration import to_logits
from chexpert.metrics.operating_point import get_rule
from chexpert.metrics.rows import check_scores, to_array

STEPS = 10_000
CLOSE = 1e-10
"""Change of the prevalence at which the iteration ends."""


def adjust_prevalence(probabilities: ArrayLike, before: float, after: float) -> np.ndarray:
    """Return calibrated probabilities for another prevalence: the odds change by the ratio of the prior odds.

    Args:
        probabilities: of any shape, in [0, 1], calibrated at the prevalence ``before``.
        before: prevalence in (0, 1) of the rows that they were fitted on.
        after: prevalence in (0, 1) where they are used.

    Returns:
        Probabilities of the same shape.

    Raises:
        ValueError: a probability outside [0, 1], or a prevalence outside (0, 1).

    >>> adjust_prevalence([0.5, 0.8], 0.5, 0.2).round(3).tolist()
    [0.2, 0.5]
    """
    rows = to_array(probabilities)
    check_scores(rows, probabilities=True)
    up, down = (_check_prevalence(after) / _check_prevalence(before), (1 - after) / (1 - before))
    return up * rows / (up * rows + down * (1 - rows))


def estimate_prevalence(probabilities: ArrayLike, before: float) -> float:
    """Estimate the prevalence of rows without labels, by expectation maximization.

    Each step takes the mean of the probabilities that are adjusted to the prevalence of the step before.

    Args:
        probabilities: (N,) in [0, 1], calibrated at the prevalence ``before``.
        before: prevalence in (0, 1) of the rows that they were fitted on.

    Returns:
        The prevalence in [0, 1] of the greatest likelihood.

    Raises:
        ValueError: no row, a probability outside [0, 1], or a prevalence outside (0, 1).

    >>> estimate_prevalence([0.0, 0.0, 0.0, 1.0], 0.5)
    0.25
    """
    rows = to_array(probabilities)
    if not rows.size:
        raise ValueError("no row to estimate a prevalence from")
    check_scores(rows, probabilities=True)
    found = _check_prevalence(before)
    for _ in range(STEPS):
        if not 0 < found < 1:
            break
        last, found = found, float(adjust_prevalence(rows, before, found).mean())
        if abs(found - last) < CLOSE:
            break
    return found


def expected_threshold(rule: str, scores: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the threshold that a rule would choose if each row were positive with its probability.

    No label is used, so the same rows may evaluate the threshold.

    Args:
        rule: see :func:`chexpert.metrics.operating_point.get_rule`.
        scores: (N,) float, which the threshold is of.
        probabilities: (N,) in [0, 1], such as those of :func:`adjust_prevalence`.
    """
    rows, shares = to_array(scores), to_array(probabilities)
    check_scores(shares, probabilities=True)
    return get_rule(rule)(rows, shares)


def shift_logits(before: float, after: float) -> float:
    """Return what a change of the prevalence adds to the log odds of every row.

    >>> round(shift_logits(0.5, 0.2), 4)
    -1.3863
    """
    return float(to_logits(np.array(_check_prevalence(after))) - to_logits(np.array(_check_prevalence(before))))


def _check_prevalence(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"a prevalence lies between 0 and 1, and {value} does not")
    return float(value)
