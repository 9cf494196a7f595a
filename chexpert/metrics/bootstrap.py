"""Percentile intervals by the bootstrap: how far a mean over images moves with other images."""

import math
from collections.abc import Callable, Iterator
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


CHUNK = 4_000_000
"""Counts in one pass, 32 MB of float64: more gains no speed."""


def resample_studies(studies: ArrayLike, replicates: int = 1000, seed: int = 0) -> np.ndarray:
    """Return how often each row is sampled, (R, N) uint16, if whole studies are sampled with replacement.

    Views of one study are no independent evidence: sampled singly, they would make intervals too narrow.

    Args:
        studies: (N,) int, of each row the number of its study, from 0 on.
        replicates: R.
        seed: of the resampling; the caller's random state is left alone.

    >>> resample_studies([0, 0, 1], replicates=2).sum(1) >= 2
    array([ True,  True])
    """
    rows = np.asarray(studies)
    count = int(rows.max(initial=-1)) + 1
    if not count:
        return np.zeros((replicates, 0), np.uint16)
    sampled = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), replicates)
    return sampled.astype(np.uint16)[:, rows]


def weighted_aurocs(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Compute the AUROC of each replicate, (R,) float64, ties at half weight; NaN where it lacks a class.

    Args:
        scores: (N,) float on any monotone scale.
        labels: (N,) in {0, 1}.
        counts: (R, N), how often each row was sampled.

    >>> weighted_aurocs([.1, .4, .35, .8], [0, 0, 1, 1], np.array([[1, 1, 1, 1], [1, 2, 1, 0], [1, 1, 0, 0]]))
    array([0.75      , 0.33333333,        nan])
    """
    return np.concatenate([_aurocs(*group) for group in _by_score(scores, labels, counts)])


def weighted_average_precisions(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Compute the average precision of each replicate, (R,) float64.

    It is the sum of precisions by the recall that each score adds.

    Arguments as of :func:`weighted_aurocs`; NaN where a replicate has no positive.

    >>> weighted_average_precisions([.1, .4, .35, .8], [0, 0, 1, 1], np.ones((1, 4))).round(4)
    array([0.8333])
    """
    return np.concatenate([_precisions(*group) for group in _by_score(scores, labels, counts)])


def weighted_means(values: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Compute the mean of (N,) values in each replicate, (R,) float64; NaN where it has no row."""
    return _divide(counts @ np.asarray(values, "float64"), counts.sum(1, dtype="float64"))


def _by_score(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positives and negatives at each distinct score, from the lowest, (r, K) each, by chunks of replicates."""
    values, positive = np.asarray(scores), np.asarray(labels) == 1
    order = np.argsort(values, kind="stable")
    ordered, yes = values[order], positive[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, int)
    step = max(1, CHUNK // max(1, len(order)))
    for start in range(0, max(1, len(counts)), step):
        sampled = counts[start : start + step][:, order].astype("float64")
        ups, downs = sampled * yes, sampled * ~yes
        if len(starts) < len(order):
            ups, downs = (np.add.reduceat(part, starts, axis=1) for part in (ups, downs))
        yield ups, downs


def _aurocs(ups: np.ndarray, downs: np.ndarray) -> np.ndarray:
    lower = np.cumsum(downs, axis=1)
    won = np.einsum("rk,rk->r", ups, lower) - np.einsum("rk,rk->r", ups, downs) / 2
    return _divide(won, ups.sum(1) * downs.sum(1))


def _precisions(ups: np.ndarray, downs: np.ndarray) -> np.ndarray:
    found = np.cumsum(ups[:, ::-1], axis=1)
    predicted = found + np.cumsum(downs[:, ::-1], axis=1)
    precision = np.divide(found, predicted, out=np.zeros_like(found), where=predicted > 0)
    return _divide(np.einsum("rk,rk->r", ups[:, ::-1], precision), ups.sum(1))


def _divide(sums: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(sums, by, out=np.full(len(sums), math.nan), where=by > 0)
