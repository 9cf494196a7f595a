"""How far a mean over images would move with other images: percentile intervals by the bootstrap."""

import math
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
        undefined_replicates: replicates that drew no defined value, and were left out of the interval.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    undefined_replicates: int


def bootstrap_mean(values: ArrayLike, replicates: int = 1000, seed: int = 0) -> Interval:
    """The mean of one value (N,) an image; NaN is an image for which it is undefined.

    >>> bootstrap_mean([1.0, 1.0, math.nan])[:4]
    (1.0, 1.0, 1.0, 2)
    """
    return bootstrap_means(np.asarray(values, "float64")[:, None], replicates, seed)[0]


def bootstrap_means(values: ArrayLike, replicates: int = 1000, seed: int = 0) -> list[Interval]:
    """Means of K values (N, K) of the same images, which are drawn together.

    A replicate draws N images with replacement and takes the mean of what is defined among them. The ends of the
    interval are those that CheXlocalize takes, not rounded; its upper end becomes NaN as soon as one replicate is
    undefined, here that replicate is left out and counted.

    Args:
        values: float, NaN where undefined.
        replicates: how many.
        seed: of the drawing; the caller's random state is left alone.
    """
    columns = np.asarray(values, "float64")
    images = len(columns)
    if not images:
        return [Interval(math.nan, math.nan, math.nan, 0, replicates)] * columns.shape[1]
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), replicates)
    counts = drawn.astype("float64")  # (replicates, N): how often each image was drawn; floats, for a fast product
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
    """Both ends of an interval, from one or more replicates, all defined: the 25th and the 975th of 1000.

    >>> find_ends(np.arange(1.0, 1001.0))
    (25.0, 975.0)
    """
    ordered = np.sort(replicates)
    low, high = (float(ordered[max(int(share * len(ordered)) - 1, 0)]) for share in ENDS)
    return low, high
