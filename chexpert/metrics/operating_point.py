"""From which probability on an observation counts as predicted."""

import numpy as np


def youden_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the highest sensitivity + specificity - 1 (Youden 1950); a view is predicted from it on.

    Args:
        probabilities: (N,) float.
        labels: (N,) in {0, 1}.

    Returns:
        The midpoint between one of the probabilities, the lowest of equally good ones, and the next lower one (or
        0), so that rounding does not turn a view; NaN where a class is absent.

    >>> youden_threshold(np.array([0.25, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.3
    """
    positive, negative = (np.sort(probabilities[labels == label]) for label in (1, 0))
    if not len(positive) or not len(negative):
        return float("nan")
    thresholds = np.unique(probabilities)
    found = len(positive) - np.searchsorted(positive, thresholds)
    cleared = np.searchsorted(negative, thresholds)
    # J + 1 times both counts: in whole numbers, equally good thresholds are equal to the last bit
    best = int(np.argmax(found * len(negative) + cleared * len(positive)))
    lower, upper = float(thresholds[best - 1]) if best else 0.0, float(thresholds[best])
    middle = (lower + upper) / 2
    return middle if middle > lower else upper  # between neighbouring floats there is none


def youden_thresholds(probabilities: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> list[float]:
    """:func:`youden_threshold` of each of C observations over the views labelled for it; arguments (N, C)."""
    return [youden_threshold(probabilities[known, c], labels[known, c]) for c, known in enumerate(mask.T.astype(bool))]
