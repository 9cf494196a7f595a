"""From which probability on an observation counts as predicted."""

import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from chexpert.metrics.rows import read_labeled, read_rows

Rule = Callable[[np.ndarray, np.ndarray], float]
"""From scores (n,) and labels (n,) in [0, 1] to a threshold; a label between counts in part for each class."""

SPECIFICITY = 0.9
"""That ``specificity_0.9`` keeps: one false alarm in ten images without the finding."""
DEFAULT_RULES = ("youden", "f1", f"specificity_{SPECIFICITY}")
EXACT = 1 - 1e-12
""".55 of 20 rows is a little above 11 in float64."""
FIXED = re.compile(r"(sensitivity|specificity)_(0?\.\d+)")
"""A rule that keeps one of the two: ``sensitivity_0.95``."""


def youden_threshold(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the threshold with the highest sensitivity + specificity - 1 (Youden 1950).

    A view whose probability is the threshold or more is predicted positive.

    Args:
        probabilities: (N,) float.
        labels: (N,) in {0, 1, NaN}; a row without a label counts for nothing.

    Returns:
        The midpoint between one of the probabilities, the lowest of equally good ones, and the next lower one (or
        0), so that rounding does not turn a view; NaN where a class is absent.

    >>> youden_threshold(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.3
    """
    return _choose_youden(*read_labeled(probabilities, labels))


def f1_threshold(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the threshold with the highest F1 score, else as :func:`youden_threshold`.

    >>> f1_threshold(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.3
    """
    return _choose_f1(*read_labeled(probabilities, labels))


def specificity_threshold(probabilities: ArrayLike, labels: ArrayLike, kept: float = SPECIFICITY) -> float:
    """Return the lowest threshold with a specificity of ``kept`` or more, the highest if none has it.

    Its place between the probabilities is as in :func:`youden_threshold`.

    >>> specificity_threshold(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).__round__(3)
    0.6
    """
    return _choose_specificity(*read_labeled(probabilities, labels), kept=kept)


def sensitivity_threshold(probabilities: ArrayLike, labels: ArrayLike, kept: float) -> float:
    """Return the highest threshold with a sensitivity of ``kept`` or more; else as :func:`youden_threshold`.

    >>> sensitivity_threshold(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]), 0.5).__round__(3)
    0.6
    """
    return _choose_sensitivity(*read_labeled(probabilities, labels), kept=kept)


def get_rule(name: str) -> Rule:
    """Return a rule by its name: ``youden``, ``f1``, ``specificity_0.9``, ``sensitivity_0.95``, ...

    Raises:
        ValueError: no such rule.

    >>> get_rule("sensitivity_0.5")(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).__round__(3)
    0.6
    """
    if name in PLAIN_RULES:
        return PLAIN_RULES[name]
    match = FIXED.fullmatch(name)
    if not match or not float(match[2]):
        raise ValueError(f"no rule for thresholds: {name!r}; {RULE_NAMES}")
    return partial(
        {"sensitivity": _choose_sensitivity, "specificity": _choose_specificity}[match[1]], kept=float(match[2])
    )


RULE_NAMES = "youden, f1, sensitivity_0.9 or specificity_0.9, with any number between 0 and 1"


def _choose_youden(rows: np.ndarray, truth: np.ndarray) -> float:
    # J + 1 times both counts: in whole numbers, equally good thresholds are equal to the last bit
    return _choose_best(rows, truth, lambda found, cleared, up, down: found * down + cleared * up)


def _choose_f1(rows: np.ndarray, truth: np.ndarray) -> float:
    return _choose_best(rows, truth, lambda found, clear, up, down: 2 * found / (found + up + down - clear))


def _choose_specificity(rows: np.ndarray, truth: np.ndarray, *, kept: float) -> float:
    def rate(found: np.ndarray, cleared: np.ndarray, up: float, down: float) -> np.ndarray:
        return np.where(cleared >= kept * down * EXACT, 2.0 + found / up, cleared / down)

    return _choose_best(rows, truth, rate)


def _choose_sensitivity(rows: np.ndarray, truth: np.ndarray, *, kept: float) -> float:
    # the lowest threshold finds every positive, so there is always one that keeps the sensitivity
    def rate(found: np.ndarray, cleared: np.ndarray, up: float, down: float) -> np.ndarray:
        return np.where(found >= kept * up * EXACT, 2.0 + np.arange(len(found)), found / up)

    return _choose_best(rows, truth, rate)


PLAIN_RULES: dict[str, Rule] = {"youden": _choose_youden, "f1": _choose_f1}


def _choose_best(
    rows: np.ndarray, truth: np.ndarray, rate: Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]
) -> float:
    """Return the lowest of the best thresholds.

    ``rate`` rates each from the positives found, the negatives cleared, and how many there are of each. Sums of whole
    labels are exact in float64.
    """
    up, down = float(truth.sum()), float((1 - truth).sum())
    if not up or not down:
        return math.nan
    thresholds, place = np.unique(rows, return_inverse=True)
    positive, negative = (np.bincount(place, weights) for weights in (truth, 1 - truth))
    found = up - np.r_[0.0, np.cumsum(positive)[:-1]]
    cleared = np.r_[0.0, np.cumsum(negative)[:-1]]
    best = int(np.argmax(rate(found, cleared, up, down)))
    lower, upper = float(thresholds[best - 1]) if best else 0.0, float(thresholds[best])
    middle = (lower + upper) / 2
    return middle if middle > lower else upper  # between neighboring floats there is none


def youden_thresholds(probabilities: ArrayLike, labels: ArrayLike, mask: ArrayLike) -> list[float]:
    """Return :func:`youden_threshold` of each of C observations over the views labeled for it.

    Args:
        probabilities: (N, C) float.
        labels: (N, C) in {0, 1}.
        mask: (N, C) bool, False where there is no label.

    Returns:
        C thresholds in the order of the columns; NaN where a class is absent.
    """
    (rows,), truth, _ = read_rows([probabilities], labels, mask=mask, dimensions=(2,))
    return [youden_threshold(own, known) for own, known in zip(rows.T, truth.T, strict=True)]
