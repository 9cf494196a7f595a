"""Whether two models differ on the same rows: tests of paired differences, and of several at once."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from chexpert.metrics.auroc_intervals import auroc_replicates
from chexpert.metrics.bootstrap import Interval
from chexpert.metrics.resampling import resample_studies
from chexpert.metrics.rows import read_rows


class Difference(NamedTuple):
    """A paired difference of two models.

    Attributes:
        interval: the difference with its 95 % interval.
        p: two-sided p of no difference; NaN where the two never differ.
    """

    interval: Interval
    p: float


def compare_aurocs(
    scores: ArrayLike,
    others: ArrayLike,
    labels: ArrayLike,
    studies: ArrayLike | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Difference:
    """Compare two models on the same rows: the AUROC of the first less that of the second.

    Of several observations the means are compared. The same rows are resampled for both, as ``chexpert compare`` does.

    Args:
        scores: (N,) or (N, C) float, of the first model.
        others: of the same shape, of the second model; it may have another scale.
        labels: of the same shape, in {0, 1, NaN}; NaN where there is no label.
        studies: (N,) of each row the id of its study, numbers or names: whole studies are resampled. None: each row is
            a study.
        replicates: number of bootstrap replicates.
        seed: seed of the resampling.

    Returns:
        The difference with its interval and p; NaN where an AUROC is undefined.

    Raises:
        ValueError: the rows differ (pandas tables are joined by index and columns), a label is none of these, or a
            score is not finite.

    >>> found = compare_aurocs([.1, .4, .35, .8, .2, .9], [.5, .4, .3, .6, .2, .1], [0, 0, 1, 1, 0, 1])
    >>> round(found.interval.value, 3), round(found.p, 2)
    (0.444, 0.12)
    """
    models, truth, numbers = read_rows([scores, others], labels, studies, dimensions=(1, 2))
    first, second, truth = (part.reshape(len(part), -1) for part in (*models, truth))
    resampled = resample_studies(numbers, replicates, seed)
    counts = np.vstack([np.ones((1, len(truth)), np.uint8), resampled])  # the first holds every row once
    means = [auroc_replicates(part, truth, counts).mean(1) for part in (first, second)]
    value, rest = float(means[0][0] - means[1][0]), means[0][1:] - means[1][1:]
    return Difference(paired_interval(value, rest, len(truth)), paired_p(value, rest))


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

    Its size under no difference was simulated: see docs/decisions/confidence-intervals.md.

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
