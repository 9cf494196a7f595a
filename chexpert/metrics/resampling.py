"""Metrics of resampled studies: a replicate of the bootstrap counts each row as often as its study was sampled.

A metric of a replicate follows from a few sums over its rows. The weights of the rows in these sums are the same in
every replicate, so one product of a sparse matrix with the counts gives the sums of many replicates.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array, csr_array

CHUNK = 2_000_000
"""Counts in one product: 16 MB of float64, most of which stays in the processor's cache."""
EXACT = 2**23
"""Sums of halves below it are exact in float32, which takes half the time of float64."""


@dataclass(frozen=True)
class Sums:
    """The K sums over n rows from which a metric is computed.

    Attributes:
        weights: (K, n), what a row adds to each sum.
        combine: function from sums (K, r) of r replicates to the metric (r,), NaN where undefined.
    """

    weights: coo_array
    combine: Callable[[np.ndarray], np.ndarray]

    def value(self) -> float:
        """Return the metric of the rows themselves."""
        return float(self.combine(np.asarray(self.weights.sum(1))[:, None])[0])

    def by_study(self, studies: np.ndarray, count: int) -> csr_array:
        """Return what each study adds to each sum, (K, S), from the study (n,) of each row."""
        sums, rows = self.weights.row, self.weights.col  # coords is of SciPy 1.13
        return coo_array((self.weights.data, (sums, studies[rows])), (self.weights.shape[0], count)).tocsr()


@lru_cache(maxsize=1)  # the evaluation settings of a file often have the same studies
def sample_studies(count: int, replicates: int = 1000, seed: int = 0) -> np.ndarray:
    """Return how often each study is sampled, (S, R) uint8, if S of S studies are sampled with replacement.

    A study is sampled once on average; more than 255 times never happens.

    Args:
        count: S.
        replicates: R.
        seed: seed of the resampling; the caller's random state does not change.
    """
    generator, shares = np.random.default_rng(seed), np.full(count, 1 / max(count, 1))
    counts = np.zeros((count, replicates), np.uint8)
    step = max(1, CHUNK // max(1, count))
    for start in range(0, replicates if count else 0, step):
        part = counts[:, start : start + step]
        part[:] = generator.multinomial(count, shares, part.shape[1]).T
    counts.flags.writeable = False
    return counts


def resample_studies(studies: ArrayLike, replicates: int = 1000, seed: int = 0) -> np.ndarray:
    """Return how often each row is sampled, (R, N) uint8, if whole studies are sampled with replacement.

    Views of one study are no independent evidence: sampled singly, they would make intervals too narrow.

    Args:
        studies: (N,) int, of each row the number of its study, from 0 on.
        replicates: R.
        seed: of the resampling; the caller's random state is left alone.

    >>> resample_studies([0, 0, 1], replicates=2).sum(1) >= 2
    array([ True,  True])
    """
    rows = np.asarray(studies)
    return sample_studies(int(rows.max(initial=-1)) + 1, replicates, seed)[rows].T


def compute_replicates(metrics: Iterable[tuple[Sums, np.ndarray]], counts: np.ndarray) -> np.ndarray:
    """Compute M metrics of R replicates, (M, R) float64.

    Args:
        metrics: M of them, each with the number of each row's study, (n,) int.
        counts: (S, R), how often each study was sampled.
    """
    highest, replicates = int(counts.max(initial=0)), counts.shape[1]
    products = [
        (_choose_precision(sums.by_study(studies, len(counts)), highest), sums.combine) for sums, studies in metrics
    ]
    precisions = {matrix.dtype for matrix, _ in products}
    found = np.empty((len(products), replicates))
    step = max(1, CHUNK // max(1, len(counts)))
    for start in range(0, replicates, step):
        part = slice(start, start + step)
        chunk = {dtype: np.ascontiguousarray(counts[:, part], dtype) for dtype in precisions}
        for place, (matrix, combine) in enumerate(products):
            found[place, part] = combine(matrix @ chunk[matrix.dtype])
    return found


def _choose_precision(matrix: csr_array, highest: int) -> csr_array:
    """Return the matrix in float32 where the sums of replicates are exact in it, otherwise in float64."""
    exact = (2 * matrix.data % 1 == 0).all() and np.abs(matrix.data).sum() * highest < EXACT
    return matrix.astype("float32" if exact else "float64")


def auroc_sums(scores: ArrayLike, labels: ArrayLike) -> Sums:
    """Return the sums of the AUROC, which has ties at half weight and is NaN without rows of both classes.

    They are the rows of the rarer class at each of their K scores, and those of the other class between these.

    Args:
        scores: (n,) float on any monotone scale.
        labels: (n,) in {0, 1}.
    """
    values, rarer = np.asarray(scores, "float64"), np.asarray(labels) == 1
    if 2 * rarer.sum() > len(rarer):
        values, rarer = -values, ~rarer  # the AUROC stays the same
    levels, own = np.unique(values[rarer], return_inverse=True)
    k, others = len(levels), values[~rarer]
    # a row below a level counts from this level on; at a tie one half of it does, and the other half from the next on
    halves = [np.searchsorted(levels, others, side) for side in ("left", "right")]
    rows, other_rows = np.flatnonzero(rarer), np.flatnonzero(~rarer)
    weights = np.r_[np.ones(len(rows)), np.full(2 * len(other_rows), 0.5)]
    placed = coo_array(
        (weights, (np.r_[own, k + halves[0], k + halves[1]], np.r_[rows, other_rows, other_rows])),
        (2 * k + 1, len(values)),
    )

    def combine(sums: np.ndarray) -> np.ndarray:
        ups, downs = sums[:k], sums[k:]
        return divide(sum_below(ups, downs[:k]), ups.sum(0, dtype="float64") * downs.sum(0, dtype="float64"))

    return Sums(placed, combine)


def sum_below(ups: np.ndarray, downs: np.ndarray) -> np.ndarray:
    """Return the sum of ups[i] * downs[j] over all j <= i, (r,) float64, of two arrays (K, r).

    Neighbors are joined in pairs until one is left: K steps of a cumulative sum take three times as long.

    >>> sum_below(np.array([[1], [2], [3]]), np.array([[1], [10], [100]]))
    array([356.])
    """
    total = np.einsum("kr,kr->r", ups, downs, dtype="float64")
    while len(ups) > 1:
        if len(ups) % 2:
            ups, downs = (np.pad(part, ((0, 1), (0, 0))) for part in (ups, downs))
        total += np.einsum("kr,kr->r", ups[1::2], downs[::2], dtype="float64")
        ups, downs = (part[::2] + part[1::2] for part in (ups, downs))
    return total


def average_precision_sums(scores: ArrayLike, labels: ArrayLike) -> Sums:
    """Return the sums of the average precision, which is NaN without a positive.

    It is the sum of precisions by the recall that each score adds. The sums are the positives at each of their K
    scores, and all rows from this score to the next. Arguments as of :func:`auroc_sums`.
    """
    values, positive = np.asarray(scores, "float64"), np.asarray(labels) == 1
    levels, own = np.unique(values[positive], return_inverse=True)
    k, level = len(levels), np.searchsorted(levels, values, "right") - 1
    rows, predicted = np.flatnonzero(positive), np.flatnonzero(level >= 0)
    placed = coo_array(
        (np.ones(len(rows) + len(predicted)), (np.r_[own, k + level[predicted]], np.r_[rows, predicted])),
        (2 * k, len(values)),
    )

    def combine(sums: np.ndarray) -> np.ndarray:
        ups = sums[:k]
        found, above = (np.cumsum(part[::-1], axis=0, dtype="float64")[::-1] for part in (ups, sums[k:]))
        precision = np.divide(found, above, out=np.zeros_like(found), where=above > 0)
        return divide(np.einsum("kr,kr->r", ups, precision), ups.sum(0, dtype="float64"))

    return Sums(placed, combine)


def mean_sums(values: ArrayLike) -> Sums:
    """Return the sums of the mean of values (n,), which is NaN without a row: of the values, and of the rows."""
    rows = np.asarray(values, "float64")
    return Sums(coo_array(np.stack([rows, np.ones(len(rows))])), lambda sums: divide(*sums))


def weighted_aurocs(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Compute the AUROC of each replicate, (R,) float64, ties at half weight; NaN where it lacks a class.

    Args:
        scores: (N,) float on any monotone scale.
        labels: (N,) in {0, 1}.
        counts: (R, N), how often each row was sampled.

    >>> weighted_aurocs([.1, .4, .35, .8], [0, 0, 1, 1], np.array([[1, 1, 1, 1], [1, 2, 1, 0], [1, 1, 0, 0]]))
    array([0.75      , 0.33333333,        nan])
    """
    return weigh(auroc_sums(scores, labels), counts)


def weighted_average_precisions(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Compute the average precision of each replicate, (R,) float64.

    Arguments as of :func:`weighted_aurocs`; NaN where a replicate has no positive.

    >>> weighted_average_precisions([.1, .4, .35, .8], [0, 0, 1, 1], np.ones((1, 4))).round(4)
    array([0.8333])
    """
    return weigh(average_precision_sums(scores, labels), counts)


def weighted_means(values: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Compute the mean of (N,) values in each replicate, (R,) float64; NaN where it has no row."""
    return weigh(mean_sums(values), counts)


def weigh(metric: Sums, counts: np.ndarray) -> np.ndarray:
    """Compute a metric of each replicate, (R,) float64, from how often each row was sampled (R, N)."""
    return compute_replicates([(metric, np.arange(counts.shape[1]))], counts.T)[0]


def divide(sums: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return the quotients (R,) float64, NaN where the divisor is 0."""
    return np.divide(sums, by, out=np.full(len(sums), math.nan), where=by > 0, dtype="float64")
