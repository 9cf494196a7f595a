"""Percentile intervals by the bootstrap: how far a mean over images moves with other images."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

ENDS = (0.025, 0.975)
"""Shares of the replicates below the ends of an interval."""


class Interval(NamedTuple):
    """A mean over images with its 95 % interval; NaN where no value is defined.

    Attributes:
        value: mean of the defined values.
        ci_low: lower end.
        ci_high: upper end.
        n: how many values are defined.
        undefined_replicates: replicates without a defined value, left out of the interval.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    undefined_replicates: int


def bootstrap_mean(values: ArrayLike, replicates: int = 1000, seed: int = 0) -> Interval:
    """Compute the mean of one value an image, with its 95 % interval.

    Args:
        values: (N,) float, one value an image; NaN where it is undefined.
        replicates: number of replicates.
        seed: seed of the resampling.

    Returns:
        The mean of the defined values with its interval, see :func:`bootstrap_means`.

    >>> bootstrap_mean([1.0, 1.0, math.nan])[:4]
    (1.0, 1.0, 1.0, 2)
    """
    return bootstrap_means(np.asarray(values, "float64")[:, None], replicates, seed)[0]


def bootstrap_of_means(
    values: ArrayLike, combine: Callable[[np.ndarray], np.ndarray], replicates: int = 1000, seed: int = 0
) -> Interval:
    """Compute a metric of several means, such as their ratio, with its 95 % interval.

    Args:
        values: (N, K); an image counts where all its K values are defined.
        combine: function from K means, (R, K), to the metric (R,), NaN where undefined.
        replicates: number of replicates; those in which the metric is undefined are left out and counted.
        seed: seed of the resampling.

    Returns:
        The metric with its interval, ``n`` being the images that count; NaN where none does.

    >>> bootstrap_of_means([[1, 2], [2, 4]], lambda means: means[:, 0] / means[:, 1])[:4]
    (0.5, 0.5, 0.5, 2)
    """
    columns = np.asarray(values, "float64")
    complete = np.isfinite(columns).all(1)
    count = int(complete.sum())
    if not count:
        return Interval(math.nan, math.nan, math.nan, 0, replicates)
    value = float(combine(columns[complete].mean(0)[None])[0])
    # all images are resampled, complete or not, as for a mean: then both are of the same replicates
    every = np.random.default_rng(seed).multinomial(len(columns), np.full(len(columns), 1 / len(columns)), replicates)
    counts = every[:, complete].astype("float64")
    counts = counts[counts.sum(1) > 0]
    found = combine(counts @ columns[complete] / counts.sum(1, keepdims=True))
    found = found[np.isfinite(found)]
    ends = find_ends(found) if math.isfinite(value) and len(found) else (math.nan, math.nan)
    return Interval(value, *ends, count, replicates - len(found))


def bootstrap_means(values: ArrayLike, replicates: int = 1000, seed: int = 0) -> list[Interval]:
    """Compute means of K values (N, K) of the same images, which are resampled together.

    A replicate samples N images with replacement and takes the mean of their defined values. The ends of the interval
    are those of CheXlocalize, not rounded. CheXlocalize's upper end becomes NaN if one replicate is undefined; here
    that replicate is left out and counted.

    Args:
        values: (N, K) float, NaN where undefined.
        replicates: number of replicates.
        seed: seed of the resampling; the caller's random state does not change.

    Returns:
        K means with their 95 % intervals, in the order of the columns; NaN where no value of a column is defined.
    """
    columns = np.asarray(values, "float64")
    images = len(columns)
    if not images:
        return [Interval(math.nan, math.nan, math.nan, 0, replicates)] * columns.shape[1]
    sampled = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), replicates)
    counts = sampled.astype("float64")  # (replicates, N): how often each image was sampled; floats, for a fast product
    defined = np.isfinite(columns)
    support = counts @ defined
    sums = counts @ np.where(defined, columns, 0)
    means = np.divide(sums, support, out=np.full(sums.shape, math.nan), where=support > 0)
    return [_interval(*pair) for pair in zip(columns.T, means.T, strict=True)]


def _interval(values: np.ndarray, means: np.ndarray) -> Interval:
    values, replicates = values[np.isfinite(values)], means[np.isfinite(means)]
    undefined = len(means) - len(replicates)
    if not len(values) or not len(replicates):
        return Interval(float(values.mean()) if len(values) else math.nan, math.nan, math.nan, len(values), undefined)
    return Interval(float(values.mean()), *find_ends(replicates), len(values), undefined)


def find_ends(replicates: np.ndarray) -> tuple[float, float]:
    """Return both ends of an interval, from one or more defined replicates: the 25th and the 975th of 1000.

    >>> find_ends(np.arange(1.0, 1001.0))
    (25.0, 975.0)
    """
    ordered = np.sort(replicates)
    low, high = (float(ordered[max(int(share * len(ordered)) - 1, 0)]) for share in ENDS)
    return low, high
