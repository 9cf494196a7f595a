"""AUROCs, their covariance, interval and test by DeLong, DeLong and Clarke-Pearson (1988); rows are independent."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from chexpert.metrics.auroc_intervals import lay_off


class Placements(NamedTuple):
    """Of each of M scores and each row, the share of the other class's rows that it is in order with.

    Attributes:
        positives: (M, P).
        negatives: (M, Q).
    """

    positives: np.ndarray
    negatives: np.ndarray


def compute_placements(scores: ArrayLike, labels: ArrayLike) -> Placements:
    """Compute placements by ranks (Sun and Xu 2014), ties at half weight.

    Args:
        scores: (M, N) float, of M models on the same rows.
        labels: (N,) in {0, 1}; both are there.
    """
    rows, positive = np.atleast_2d(np.asarray(scores, "float64")), np.asarray(labels) == 1
    up, down = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(rows, axis=1)
    above = (ranks[:, positive] - rankdata(rows[:, positive], axis=1)) / down
    below = (ranks[:, ~positive] - rankdata(rows[:, ~positive], axis=1)) / up
    return Placements(above, 1 - below)


def delong_covariance(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Compute AUROCs (M,) and their covariance (M, M) (DeLong, DeLong and Clarke-Pearson 1988).

    Both are NaN where a class has fewer than two rows.

    >>> values, covariance = delong_covariance([[.1, .4, .35, .8]], [0, 0, 1, 1])
    >>> values.tolist(), covariance.tolist()
    ([0.75], [[0.125]])
    """
    count, positive = len(np.atleast_2d(scores)), np.asarray(labels) == 1
    if min(positive.sum(), (~positive).sum()) < 2:
        return np.full(count, math.nan), np.full((count, count), math.nan)
    placed = compute_placements(scores, labels)
    parts = [np.atleast_2d(np.cov(part)) / part.shape[1] for part in placed]
    return placed.positives.mean(1), parts[0] + parts[1]


def delong_interval(scores: ArrayLike, labels: np.ndarray) -> tuple[float, float]:
    """Return the ends of the 95 % interval of one AUROC, on the scale of log odds; rows are taken as independent."""
    values, covariance = delong_covariance(scores, labels)
    positives = float((np.asarray(labels) == 1).sum())
    return lay_off(float(values[0]), math.sqrt(covariance[0, 0]), min(positives, len(labels) - positives))


def delong_test(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the two-sided p of two models' equal AUROC on the same rows; NaN where they cannot differ.

    Args:
        scores: (2, N) float.
        labels: (N,) in {0, 1}.
    """
    values, covariance = delong_covariance(scores, labels)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return float(2 * norm.sf(abs(values[0] - values[1]) / math.sqrt(variance))) if variance > 0 else math.nan
