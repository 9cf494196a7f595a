"""How much two attribution maps agree."""

import numpy as np
from scipy.stats import spearmanr


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation of two signed maps of the same shape, in [-1, 1]; ties share their rank.

    NaN where one of them is constant or not finite: a map that says nothing agrees with nothing.

    >>> spearman(np.array([[0.0, 1.0, 5.0]]), np.array([[2.0, 3.0, 4.0]]))
    1.0
    """
    if one.shape != other.shape:
        raise ValueError(f"maps of {one.shape} and {other.shape} cannot be compared")
    if not (np.isfinite(one).all() and np.isfinite(other).all()) or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other, axis=None).statistic)
