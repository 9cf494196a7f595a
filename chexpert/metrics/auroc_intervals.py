"""Metrics of scores and labels with 95 % intervals over studies, from one resampling for all observations."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtri, stdtrit

from chexpert.metrics.auroc import auroc
from chexpert.metrics.bootstrap import Interval, find_ends
from chexpert.metrics.resampling import auroc_sums, compute_replicates, resample_studies, weighted_aurocs
from chexpert.metrics.rows import read_rows


def percentile_interval(value: float, replicates: np.ndarray, n: int) -> Interval:
    """Compute the interval between whose ends 95 % of the defined replicates lie.

    Args:
        value: metric of the rows themselves.
        replicates: (R,) metrics of resampled rows; NaN where undefined.
        n: number of rows.

    Returns:
        The interval; its ends are NaN where the value is undefined or fewer than two replicates are defined.
    """
    return _interval(value, replicates, n, find_ends)


def logit_interval(
    value: float, replicates: np.ndarray, n: int, rarer: float = math.inf, rarest: float | None = None
) -> Interval:
    """Compute a 95 % interval of a share from the standard deviation of its replicates, on the scale of log odds.

    On this scale the errors of a share are even. The ends between which 95 % of the replicates of an AUROC lie are too
    narrow: docs/decisions/confidence-intervals.md has coverages. The replicates of a value of 0 or 1 are all alike; see
    :func:`bound_extreme` for its interval.

    Args:
        value: metric of the rows themselves, in [0, 1].
        replicates: (R,) metrics of resampled rows; NaN where undefined.
        n: number of rows.
        rarer: rows of the rarer class; they limit how well the error is known (Student's t).
        rarest: for a mean over observations, rows of the rarest class of all, used for a value of 0 or 1; by default
            the smaller of ``rarer`` and ``n``.

    Returns:
        The interval; its ends are NaN where the value is undefined or fewer than two replicates are defined.

    >>> [round(end, 3) for end in logit_interval(0.8, np.array([0.7, 0.8, 0.9]), 30)[1:3]]
    [0.54, 0.932]
    """
    if value in (0, 1):
        extreme = rarest if rarest is not None else min(rarer, n)
        return _interval(value, replicates, n, lambda defined: bound_extreme(value, extreme))
    return _interval(value, replicates, n, lambda defined: lay_off(value, float(defined.std(ddof=1)), rarer))


def bound_extreme(value: float, rows: float) -> tuple[float, float]:
    """Return the ends of a 95 % interval about a share of 0 or 1 (Clopper and Pearson 1934).

    The replicates of such a share are all alike.

    For an AUROC give the rows of the rarer class: each of them is in order with all rows of the other class.

    >>> [round(end, 3) for end in bound_extreme(1.0, 3)]
    [0.292, 1.0]
    """
    reach = 0.025 ** (1 / max(rows, 1)) if math.isfinite(rows) else 1.0
    return (reach, 1.0) if value == 1 else (0.0, 1 - reach)


def lay_off(value: float, error: float, rarer: float = math.inf) -> tuple[float, float]:
    """Return the ends of a 95 % interval about a share, from its standard error; see :func:`logit_interval`."""
    if not 0 < value < 1:
        return bound_extreme(value, rarer)
    reach = stdtrit(max(rarer - 1, 1), 0.975) if math.isfinite(rarer) else ndtri(0.975)
    middle, error = math.log(value / (1 - value)), error / (value * (1 - value))
    return float(expit(middle - reach * error)), float(expit(middle + reach * error))


def _interval(
    value: float, replicates: np.ndarray, n: int, find: Callable[[np.ndarray], tuple[float, float]]
) -> Interval:
    """An interval from the defined replicates; the others are left out and counted."""
    defined = replicates[np.isfinite(replicates)]
    undefined = len(replicates) - len(defined)
    if not math.isfinite(value) or len(defined) < 2:
        return Interval(value, math.nan, math.nan, n, undefined)
    return Interval(value, *find(defined), n, undefined)


def auroc_replicates(scores: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the AUROC (R, C) of C observations in R replicates, each observation over its own labeled rows.

    Args:
        scores: (N, C) float.
        labels: (N, C) in {1, 0, NaN}.
        counts: (R, N), how often each row was sampled.
    """
    known = [np.flatnonzero(np.isfinite(truth)) for truth in labels.T]
    metrics = ((auroc_sums(scores[rows, c], labels[rows, c]), rows) for c, rows in enumerate(known))
    return compute_replicates(metrics, counts.T).T


def auroc_interval(
    scores: ArrayLike, labels: ArrayLike, studies: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Interval:
    """Compute the AUROC of one observation with its 95 % interval, as a run reports it.

    Args:
        scores: (N,) float on any monotone scale.
        labels: (N,) in {0, 1, NaN}; a row without a label counts for nothing.
        studies: (N,) of each row the id of its study, numbers or names: whole studies are resampled. None: each row is
            a study.
        replicates: number of bootstrap replicates.
        seed: seed of the resampling.

    Returns:
        The AUROC with its interval, ``n`` being the labeled rows; NaN where a class is absent.

    Raises:
        ValueError: the rows differ (pandas tables are joined by their index), a label is none of these, or a score is
            not finite.

    >>> [round(part, 3) for part in auroc_interval([.1, .4, .35, .8, .2, .9], [0, 0, 1, 1, 0, 1])[:4]]
    [0.889, 0.005, 1.0, 6]
    """
    (rows,), truth, numbers = read_rows([scores], labels, studies)
    counts = resample_studies(numbers, replicates, seed)
    known = np.isfinite(truth)
    found = auroc(rows[known], truth[known])
    rarer = min(found.positives, found.negatives)
    return logit_interval(
        found.value, weighted_aurocs(rows[known], truth[known], counts[:, known]), int(known.sum()), rarer
    )


def mean_auroc_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    mask: ArrayLike | None = None,
    studies: ArrayLike | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Interval:
    """Compute the mean AUROC over C observations with its 95 % interval.

    Args:
        scores: (N, C) float.
        labels: (N, C) in {0, 1}; without a mask also NaN, where there is no label.
        mask: (N, C) bool, False where there is no label.
        studies: (N,) of each row the id of its study, numbers or names: whole studies are resampled. None: each row is
            a study.
        replicates: number of replicates; one in which an observation is undefined is left out and counted.
        seed: seed of the resampling.

    Returns:
        The mean with its interval, ``n`` being N; NaN where the AUROC of an observation is undefined, or C is 0.

    Raises:
        ValueError: as of :func:`auroc_interval`; pandas tables are joined by index and columns.
    """
    (rows,), truth, numbers = read_rows([scores], labels, studies, mask, dimensions=(2,))
    if not rows.shape[1]:
        return Interval(math.nan, math.nan, math.nan, len(rows), replicates)
    return mean_of(rows, truth, auroc_replicates(rows, truth, resample_studies(numbers, replicates, seed)))


def mean_of(scores: np.ndarray, labels: np.ndarray, replicates: np.ndarray) -> Interval:
    """Compute the mean AUROC over all columns with its interval, from their replicates (R, C).

    Labels are as in :func:`auroc_replicates`.
    """
    known = np.isfinite(labels)
    values = [auroc(scores[rows, c], labels[rows, c]).value for c, rows in enumerate(known.T)]
    return logit_interval(float(np.mean(values)), replicates.mean(1), len(scores))


class RankedScores:
    """M scores of the same N rows against the same labels; all use the same replicates of the bootstrap.

    Args:
        scores: (M, N) float, any monotone scale: logits rank as probabilities do.
        labels: (N,) in {0, 1}.
        replicates: how many.
        seed: of the resampling.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray, replicates: int = 1000, seed: int = 0) -> None:
        self.n, self.positives = len(labels), int((np.asarray(labels) == 1).sum())
        resampled = resample_studies(np.arange(self.n), replicates, seed)
        counts = np.vstack([np.ones((1, self.n), np.uint8), resampled])  # the first holds every row once
        self._aurocs = np.stack([weighted_aurocs(own, labels, counts) for own in scores], axis=1)

    def auroc(self, score: int) -> Interval:
        """Return the AUROC of one score: ties count half; NaN where a class is absent."""
        return self._describe(self._aurocs[:, score])

    def difference(self, score: int, other: int) -> Interval:
        """Return the AUROC of one score less that of another."""
        return self._describe(self._aurocs[:, score] - self._aurocs[:, other])

    def _describe(self, values: np.ndarray) -> Interval:
        return percentile_interval(float(values[0]), values[1:], self.n)
