"""From which probability on an observation counts as predicted."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from chexpert.metrics.rows import read_labeled, read_rows

SPECIFICITY = 0.9
"""That ``specificity_0.9`` keeps: one false alarm in ten images without the finding."""


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
    # J + 1 times both counts: in whole numbers, equally good thresholds are equal to the last bit
    return _best_threshold(probabilities, labels, lambda found, cleared, up, down: found * down + cleared * up)


def f1_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the threshold with the highest F1 score, else as :func:`youden_threshold`.

    >>> f1_threshold(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.3
    """
    return _best_threshold(
        probabilities, labels, lambda found, clear, up, down: 2 * found / (found + up + down - clear)
    )


def specificity_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the lowest threshold with a specificity of ``SPECIFICITY`` or more, the highest if none has it.

    Its place between the probabilities is as in :func:`youden_threshold`.

    >>> specificity_threshold(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).__round__(3)
    0.6
    """

    def keep(found: np.ndarray, cleared: np.ndarray, up: int, down: int) -> np.ndarray:
        kept = cleared >= SPECIFICITY * down
        return np.where(kept, 2.0 + found / up, cleared / down)

    return _best_threshold(probabilities, labels, keep)


RULES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "youden": youden_threshold,
    "f1": f1_threshold,
    f"specificity_{SPECIFICITY}": specificity_threshold,
}
"""By name: of probabilities (N,) and labels (N,) in {0, 1}."""


def _best_threshold(
    probabilities: ArrayLike, labels: ArrayLike, evaluate: Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]
) -> float:
    """Return the lowest of the best thresholds.

    ``evaluate`` rates each from the positives found, the negatives cleared, and how many there are of each.
    """
    rows, truth = read_labeled(probabilities, labels)
    positive, negative = (np.sort(rows[truth == label]) for label in (1, 0))
    if not len(positive) or not len(negative):
        return math.nan
    thresholds = np.unique(rows)
    found = len(positive) - np.searchsorted(positive, thresholds)
    cleared = np.searchsorted(negative, thresholds)
    best = int(np.argmax(evaluate(found, cleared, len(positive), len(negative))))
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
