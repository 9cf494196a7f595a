"""How far two models err together: what an ensemble of them can gain depends on it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from chexpert.metrics.rows import read_rows

EMPTY = "no row where {}"
CELLS = ("both are right", "only the first is right", "only the second is right", "both are wrong")


class Disagreement(NamedTuple):
    """What two models disagree on, over the n labeled rows of an observation.

    Attributes:
        q: Yule's Q in (-1, 1) of being right; NaN where a cell of ``counts`` is empty.
        correlation: Pearson's correlation of the residuals p - y in [-1, 1]; NaN where one of them does not vary.
        counts: rows where both are right, only the first, only the second, neither.
        n: rows.
        why: why ``q`` or ``correlation`` is undefined; empty where both are defined.
    """

    q: float
    correlation: float
    counts: tuple[int, int, int, int]
    n: int
    why: str


def disagreement(first: ArrayLike, second: ArrayLike, labels: ArrayLike, threshold: float = 0.5) -> Disagreement:
    """Compare the errors of two models on the same rows.

    Q = (N11 N00 - N10 N01) / (N11 N00 + N10 N01), where N11 counts rows that both models classify rightly at the
    threshold (Kuncheva and Whitaker 2003, doi.org/10.1023/A:1022859003006, equation 5): 1 where the same rows are
    wrong, 0 where errors are independent, below 0 where other rows are wrong. One empty cell alone would make it 1 or
    -1, whatever the others are, so that it is then undefined.

    Args:
        first: (N,) probabilities of one model.
        second: (N,) probabilities of the other one.
        labels: (N,) in {0, 1, NaN}; NaN where there is no label.
        threshold: in (0, 1): a probability at or above it says that the finding is there.

    Raises:
        ValueError: shapes differ, a score is no probability, or a label is another value.

    >>> own = disagreement([.9, .8, .2, .6, .4, .1], [.7, .4, .1, .9, .8, .6], [1, 1, 0, 0, 1, 0])
    >>> own.counts, own.q
    ((2, 2, 1, 1), 0.0)
    """
    scores, truth, _ = read_rows([first, second], labels, probabilities=True)
    known = ~np.isnan(truth)
    truth = truth[known]
    residuals = np.stack([own[known] - truth for own in scores])
    right = np.stack([(own[known] >= threshold) == (truth == 1) for own in scores])
    both, one, other, neither = counts = (
        int((right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum()),
        int((~right[0] & right[1]).sum()), int((~right[0] & ~right[1]).sum()),
    )  # fmt: skip
    q = (both * neither - one * other) / (both * neither + one * other) if all(counts) else math.nan
    correlation, still = correlate(residuals)
    empty = [EMPTY.format(cell) for cell, count in zip(CELLS, counts, strict=True) if not count]
    return Disagreement(q, correlation, counts, len(truth), "; ".join([*empty, *still]))


def correlate(residuals: np.ndarray) -> tuple[float, list[str]]:
    """Return Pearson's correlation of two rows (2, n), and why it is undefined; NaN where one does not vary."""
    centered = residuals - residuals.mean(1, keepdims=True) if residuals.shape[1] else residuals
    spread = np.sqrt((centered**2).sum(1))
    # what float64 leaves of equal numbers is no spread
    if residuals.shape[1] < 2 or (spread <= 1e-12 * np.sqrt(residuals.shape[1])).any():
        return math.nan, ["errors of one model do not vary"]
    return float(np.clip(centered[0] @ centered[1] / spread.prod(), -1, 1)), []
