"""Studies drawn with replacement: a figure of each replicate of the bootstrap, all replicates in one vectorised pass.

A replicate is a row of counts, how often each view or study was drawn. Models and observations that share the counts
share the draws, so their differences are paired.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

CHUNK = 4_000_000
"""Counts in one pass, 32 MB of float64: more gains no speed."""


def draw_studies(studies: ArrayLike, replicates: int = 1000, seed: int = 0) -> np.ndarray:
    """(R, N) uint16, for its size: how often each row is drawn when whole studies are drawn with replacement.

    Views of one study are no independent evidence: drawn singly, they would make intervals too narrow.

    Args:
        studies: (N,) int, of each row the number of its study, from 0 on.
        replicates: R.
        seed: of the drawing; the caller's random state is left alone.

    >>> draw_studies([0, 0, 1], replicates=2).sum(1) >= 2
    array([ True,  True])
    """
    rows = np.asarray(studies)
    count = int(rows.max(initial=-1)) + 1
    if not count:
        return np.zeros((replicates, 0), np.uint16)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), replicates)
    return drawn.astype(np.uint16)[:, rows]


def weighted_aurocs(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """(R,) float64: AUROC of each replicate, ties at half weight; NaN where it drew no positive or no negative.

    Args:
        scores: (N,) float on any monotone scale.
        labels: (N,) in {0, 1}.
        counts: (R, N), how often each row was drawn.

    >>> weighted_aurocs([.1, .4, .35, .8], [0, 0, 1, 1], np.array([[1, 1, 1, 1], [1, 2, 1, 0], [1, 1, 0, 0]]))
    array([0.75      , 0.33333333,        nan])
    """
    return np.concatenate([_aurocs(*group) for group in _by_score(scores, labels, counts)])


def weighted_average_precisions(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """(R,) float64: average precision of each replicate, the sum of precisions by the recall that each score adds.

    Arguments as of :func:`weighted_aurocs`; NaN where a replicate drew no positive.

    >>> weighted_average_precisions([.1, .4, .35, .8], [0, 0, 1, 1], np.ones((1, 4))).round(4)
    array([0.8333])
    """
    return np.concatenate([_precisions(*group) for group in _by_score(scores, labels, counts)])


def weighted_means(values: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """(R,) float64: the mean of (N,) values in each replicate; NaN where it drew no row."""
    return _divide(counts @ np.asarray(values, "float64"), counts.sum(1, dtype="float64"))


def _by_score(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positives and negatives drawn at each distinct score, from the lowest, (r, K) each, for chunks of replicates."""
    values, positive = np.asarray(scores), np.asarray(labels) == 1
    order = np.argsort(values, kind="stable")
    ordered, yes = values[order], positive[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, int)
    step = max(1, CHUNK // max(1, len(order)))
    for start in range(0, max(1, len(counts)), step):
        drawn = counts[start : start + step][:, order].astype("float64")
        ups, downs = drawn * yes, drawn * ~yes
        if len(starts) < len(order):
            ups, downs = (np.add.reduceat(part, starts, axis=1) for part in (ups, downs))
        yield ups, downs


def _aurocs(ups: np.ndarray, downs: np.ndarray) -> np.ndarray:
    lower = np.cumsum(downs, axis=1)
    won = np.einsum("rk,rk->r", ups, lower) - np.einsum("rk,rk->r", ups, downs) / 2
    return _divide(won, ups.sum(1) * downs.sum(1))


def _precisions(ups: np.ndarray, downs: np.ndarray) -> np.ndarray:
    found = np.cumsum(ups[:, ::-1], axis=1)
    told = found + np.cumsum(downs[:, ::-1], axis=1)
    precision = np.divide(found, told, out=np.zeros_like(found), where=told > 0)
    return _divide(np.einsum("rk,rk->r", ups[:, ::-1], precision), ups.sum(1))


def _divide(sums: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(sums, by, out=np.full(len(sums), math.nan), where=by > 0)
