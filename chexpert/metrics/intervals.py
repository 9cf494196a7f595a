"""Figures of scores and labels with 95 % intervals over studies, from one drawing for all observations."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtri, stdtrit

from chexpert.metrics.auroc import auroc
from chexpert.metrics.bootstrap import Interval, find_ends
from chexpert.metrics.resampling import draw_studies, weighted_aurocs


def percentile_interval(value: float, replicates: np.ndarray, n: int) -> Interval:
    """The ends between which 95 % of the defined replicates lie."""
    return _interval(value, replicates, n, find_ends)


def logit_interval(
    value: float, replicates: np.ndarray, n: int, rarer: float = math.inf, rarest: float | None = None
) -> Interval:
    """The replicates' standard deviation, laid off on the scale of log odds, where a share's errors are even.

    Of an AUROC the ends between which 95 % of the replicates lie are too narrow: docs/decisions.md has coverages.

    Args:
        value: of the rows themselves, in [0, 1].
        replicates: (R,) of drawn rows; NaN where undefined.
        n: rows.
        rarer: rows of the rarer class; the error is known only as well as they tell it (Student's t).
        rarest: of a mean, that of the rarest class of all, for a value of 0 or 1.

    >>> [round(end, 3) for end in logit_interval(0.8, np.array([0.7, 0.8, 0.9]), 30)[1:3]]
    [0.54, 0.932]
    """
    if value in (0, 1):
        extreme = rarest if rarest is not None else min(rarer, n)
        return _interval(value, replicates, n, lambda defined: bound_extreme(value, extreme))
    return _interval(value, replicates, n, lambda defined: lay_off(value, float(defined.std(ddof=1)), rarer))


def bound_extreme(value: float, rows: float) -> tuple[float, float]:
    """Ends of a 95 % interval about a share of 0 or 1, whose replicates are all alike (Clopper and Pearson 1934).

    Of an AUROC, where each row of the rarer class is in order with all others, these are the rows that tell.

    >>> [round(end, 3) for end in bound_extreme(1.0, 3)]
    [0.292, 1.0]
    """
    reach = 0.025 ** (1 / max(rows, 1)) if math.isfinite(rows) else 1.0
    return (reach, 1.0) if value == 1 else (0.0, 1 - reach)


def lay_off(value: float, error: float, rarer: float = math.inf) -> tuple[float, float]:
    """Ends of a 95 % interval about a share, from its standard error; see :func:`logit_interval`."""
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
    """(R, C): AUROC of each of C observations in each replicate, each over its own labelled rows.

    Args:
        scores: (N, C) float.
        labels: (N, C) in {1, 0, NaN}.
        counts: (R, N), how often each row was drawn.
    """
    columns = []
    for own, truth in zip(scores.T, labels.T, strict=True):
        known = np.isfinite(truth)
        columns.append(weighted_aurocs(own[known], truth[known], counts if known.all() else counts[:, known]))
    return np.stack(columns, axis=1) if columns else np.zeros((len(counts), 0))


def mean_auroc_interval(
    scores: ArrayLike, labels: ArrayLike, mask: ArrayLike, studies: ArrayLike, replicates: int = 1000, seed: int = 0
) -> Interval:
    """The mean AUROC over C observations with its interval; NaN where one of them is undefined.

    Args:
        scores: (N, C) float.
        labels: (N, C) in {0, 1}.
        mask: (N, C) bool, False where there is no label.
        studies: (N,) int, of each row the number of its study.
        replicates: how many; one in which an observation is undefined is left out and counted.
        seed: of the drawing.
    """
    told = np.where(np.asarray(mask, bool), np.asarray(labels, "float64"), math.nan)
    rows = np.asarray(scores, "float64")
    if not rows.shape[1]:
        return Interval(math.nan, math.nan, math.nan, len(rows), replicates)
    return mean_of(rows, told, auroc_replicates(rows, told, draw_studies(studies, replicates, seed)))


def mean_of(scores: np.ndarray, labels: np.ndarray, replicates: np.ndarray) -> Interval:
    """The mean AUROC over all columns, from (R, C) replicates of theirs; labels as in :func:`auroc_replicates`."""
    known = np.isfinite(labels)
    values = [auroc(scores[rows, c], labels[rows, c]).value for c, rows in enumerate(known.T)]
    return logit_interval(float(np.mean(values)), replicates.mean(1), len(scores))
