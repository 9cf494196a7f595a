"""How much two attribution maps agree."""

import numpy as np
from scipy.stats import spearmanr


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the rank correlation of two signed maps of the same shape; ties share their rank.

    Args:
        one: (H, W) float.
        other: (H, W) float.

    Returns:
        The correlation in [-1, 1]; NaN where one of the maps is constant or not finite: a map that shows nothing agrees
        with nothing.

    Raises:
        ValueError: the maps differ in shape.

    >>> spearman(np.array([[0.0, 1.0, 5.0]]), np.array([[2.0, 3.0, 4.0]]))
    1.0
    """
    if one.shape != other.shape:
        raise ValueError(f"maps of {one.shape} and {other.shape} cannot be compared")
    if not (np.isfinite(one).all() and np.isfinite(other).all()) or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other, axis=None).statistic)
