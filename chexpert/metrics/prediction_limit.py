"""The limit that few further values of a sample exceed."""

from math import sqrt

import numpy as np
from scipy.special import stdtrit


def compute_limit(values: np.ndarray, share: float) -> float:
    """Return the limit that about ``share`` of further values exceed: the larger one of two estimates.

    The first is the quantile of the values. It cannot lie above the largest of them, which in a small sample more than
    ``share`` of further values exceed. The second is the upper prediction limit of a normal distribution with unknown
    mean and variance (Hahn and Meeker 1991, Statistical Intervals, 4.3).

    Args:
        values: (N,), N at least 2.
        share: of further values above the limit, in (0, 1).

    Raises:
        ValueError: fewer than 2 values.
    """
    count = len(values)
    if count < 2:
        raise ValueError(f"{count} values, at least 2 are needed")
    spread = float(np.std(values, ddof=1)) * sqrt(1 + 1 / count)
    normal = float(np.mean(values)) + float(stdtrit(count - 1, 1 - share)) * spread
    return max(float(np.quantile(values, 1 - share)), normal)
