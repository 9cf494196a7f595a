"""Whether two models differ on the same rows: tests of paired differences, and of several at once."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from chexpert.metrics.bootstrap import Interval


def paired_interval(difference: float, replicates: np.ndarray, n: int) -> Interval:
    """Return a difference with its 95 % interval, from the standard deviation of the replicates' differences.

    Args:
        difference: of the rows themselves.
        replicates: (R,) differences of metrics on the same resampled rows; NaN where undefined.
        n: rows.

    >>> [round(part, 3) for part in paired_interval(0.1, np.array([0.0, 0.1, 0.2]), 30)[:3]]
    [0.1, -0.096, 0.296]
    """
    defined = replicates[np.isfinite(replicates)]
    undefined = len(replicates) - len(defined)
    if not math.isfinite(difference) or len(defined) < 2:
        return Interval(difference, math.nan, math.nan, n, undefined)
    reach = float(ndtri(0.975) * defined.std(ddof=1))
    return Interval(difference, difference - reach, difference + reach, n, undefined)


def paired_p(difference: float, replicates: np.ndarray) -> float:
    """Return the two-sided p of no difference, from the replicates' standard deviation.

    It is NaN where the two models never differ.

    Its size under no difference was simulated: see docs/decisions.md.

    >>> round(paired_p(0.1, np.array([0.05, 0.1, 0.15])), 4)
    0.0455
    """
    defined = replicates[np.isfinite(replicates)]
    spread = float(defined.std(ddof=1)) if len(defined) > 1 else 0.0
    return float(2 * ndtr(-abs(difference) / spread)) if spread > 0 else math.nan


def adjust_holm(ps: Sequence[float]) -> list[float]:
    """Return Holm's (1979) p values; those below .05 hold together with an error of .05.

    NaN stays, and is not counted.

    >>> adjust_holm([0.01, 0.04, float("nan"), 0.03])
    [0.03, 0.06, nan, 0.06]
    """
    adjusted = [math.nan] * len(ps)
    order = sorted((place for place, p in enumerate(ps) if not math.isnan(p)), key=lambda place: ps[place])
    running = 0.0
    for step, place in enumerate(order):
        running = max(running, min(1.0, (len(order) - step) * ps[place]))
        adjusted[place] = running
    return adjusted
