"""Selective prediction: the risk of the rows that are kept, over the share that is kept.

A row has a loss, and a confidence by which it is kept or deferred to a reader: the rows of the highest confidence are
kept. The risk at a coverage is the mean loss of the rows kept (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017,
"Selective classification for deep neural networks"). AURC is the mean of the risks of all n coverages 1/n, 2/n, ..., 1,
and excess AURC what is above the order by the losses themselves (Geifman, Uziel and El-Yaniv 2019, "Bias-reduced
uncertainty estimation for deep neural classifiers").

Rows of equal confidence have no order. Each metric is the expected one over their orders, so that the order of a file
changes nothing: of a group of m rows with mean loss l, j of which are kept, the kept ones are expected to lose j * l.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CHUNK = 4_000_000
"""Numbers in one array of replicates: 32 MB of float64."""
ROUNDING = 1e-9
"""Of a risk and of a number of rows: sums of losses differ in their last digits."""


@dataclass(frozen=True)
class RiskCoverage:
    """The risk-coverage curve of n rows, in G groups of equal confidence, the most confident first.

    Attributes:
        cutoffs: (G,) the confidence of each group.
        kept: (G,) rows kept if this group and those before it are kept.
        losses: (G,) the sum of their losses.
        oracle: (n,) the losses of all rows, the smallest first.
    """

    cutoffs: np.ndarray
    kept: np.ndarray
    losses: np.ndarray
    oracle: np.ndarray

    @property
    def n(self) -> int:
        """The rows."""
        return len(self.oracle)

    def risk(self, coverage: float = 1.0) -> float:
        """Return the expected mean loss of the most confident rows, at least this share of all; NaN without a row.

        Args:
            coverage: in (0, 1]; at least one row is kept.
        """
        if not self.n:
            return math.nan
        rows = count_kept(self.n, coverage)
        return float(np.interp(rows, np.r_[0, self.kept], np.r_[0, self.losses]) / rows)

    def aurc(self) -> float:
        """Return the area under the curve, the mean risk over the n coverages; NaN without a row."""
        ones = np.diff(self.kept, prepend=0)[:, None], np.diff(self.losses, prepend=0)[:, None]
        return float(_average_risks(*ones)[0])

    def excess_aurc(self) -> float:
        """Return the area above that of the order by the losses themselves, which no confidence is better than."""
        return self.aurc() - float(_average_risks(np.ones((self.n, 1)), self.oracle[:, None])[0])

    def coverage(self, risk: float) -> tuple[float, float]:
        """Return the largest coverage at which the risk is at most ``risk``, and its lowest confidence.

        Rows of equal confidence are kept or deferred together, so that the confidence describes who is kept.

        Args:
            risk: the largest mean loss of the rows kept.

        Returns:
            Coverage in (0, 1] and confidence; 0 and infinity where no coverage has so small a risk.
        """
        reached = np.flatnonzero(self.losses / self.kept <= risk + ROUNDING)
        if not len(reached):
            return 0.0, math.inf
        last = reached[-1]
        return float(self.kept[last] / self.n), float(self.cutoffs[last])


def risk_coverage(confidence: ArrayLike, losses: ArrayLike) -> RiskCoverage:
    """Return the risk-coverage curve of n rows.

    Args:
        confidence: (n,) float on any scale; rows of higher confidence are kept longer.
        losses: (n,) float, of each row, such as 0/1 errors or squared errors.

    Raises:
        ValueError: another number of losses, or a value that is not finite.

    >>> curve = risk_coverage([0.9, 0.8, 0.8, 0.6], [0, 0, 1, 1])
    >>> [round(curve.risk(share), 3) for share in (0.25, 0.5, 0.75, 1)], round(curve.aurc(), 4)
    ([0.0, 0.25, 0.333, 0.5], 0.2708)
    """
    values, lost = _check(confidence, losses)
    cutoffs, groups = _group(values)
    kept = np.cumsum(np.bincount(groups, minlength=len(cutoffs)))
    sums = np.cumsum(np.bincount(groups, lost, minlength=len(cutoffs)))
    return RiskCoverage(cutoffs, kept, sums, np.sort(lost))


def count_kept(rows: int, coverage: float) -> int:
    """Return the rows that are kept at a coverage: the least number that is this share, and at least one.

    >>> count_kept(10, 0.25), count_kept(10, 0.3), count_kept(10, 0.001)
    (3, 3, 1)
    """
    return min(rows, max(1, math.ceil(coverage * rows - ROUNDING)))


def aurc_replicates(confidence: ArrayLike, losses: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Compute AURC of resampled rows, (R,) float64; NaN where a replicate has no row.

    A row that is sampled twice ties with itself.

    Args:
        confidence: (n,) float.
        losses: (n,) float.
        counts: (n, R), how often each row was sampled.
    """
    values, lost = _check(confidence, losses)
    found = np.full(counts.shape[1], math.nan)
    for part, rows, sums in _resample_groups(values, lost, counts):
        found[part] = _average_risks(rows, sums)
    return found


def risk_replicates(confidence: ArrayLike, losses: ArrayLike, counts: np.ndarray, coverages: ArrayLike) -> np.ndarray:
    """Compute the risks (K, R) of resampled rows at K coverages; NaN where a replicate has no row.

    Args:
        confidence: (n,) float.
        losses: (n,) float.
        counts: (n, R), how often each row was sampled.
        coverages: (K,) in (0, 1].
    """
    values, lost = _check(confidence, losses)
    shares = np.asarray(coverages, "float64")
    found = np.full((len(shares), counts.shape[1]), math.nan)
    for part, rows, sums in _resample_groups(values, lost, counts):
        kept, summed = (np.pad(np.cumsum(own, axis=0), ((1, 0), (0, 0))) for own in (rows, sums))
        for k, share in enumerate(shares):
            wanted = np.maximum(1, np.ceil(share * kept[-1] - ROUNDING))
            group = np.minimum((kept < wanted).sum(0), len(rows))[None]  # the one that holds the last row kept
            before, loss = (np.take_along_axis(own, group - 1, 0)[0] for own in (kept, summed))
            own_rows, own_sum = (np.take_along_axis(own, group - 1, 0)[0] for own in (rows, sums))
            mean = np.divide(own_sum, own_rows, out=np.full(len(loss), math.nan), where=own_rows > 0)
            found[k, part] = (loss + (wanted - before) * mean) / wanted
    return found


def _resample_groups(
    confidence: np.ndarray, losses: np.ndarray, counts: np.ndarray
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield, a part of the replicates at a time, rows and summed losses (G, r) of groups of equal confidence."""
    order = np.argsort(-confidence, kind="stable")
    edges = np.flatnonzero(np.diff(confidence[order], prepend=np.nan))
    step = max(1, CHUNK // max(1, len(confidence)))
    for start in range(0, counts.shape[1] if len(order) else 0, step):
        part = slice(start, start + step)
        rows = counts[order, part].astype("float64")
        sums = rows * losses[order, None]
        if len(edges) < len(order):
            rows, sums = (np.add.reduceat(own, edges) for own in (rows, sums))
        yield part, rows, sums


def _average_risks(rows: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Return AURC (R,) of rows and summed losses (G, R) of groups of equal confidence, the most confident first.

    Within a group of rows K0 + 1 to K1 with mean loss l, after rows that lost L0 together, the risk at k rows is
    (L0 + (k - K0) l) / k = l + (L0 - K0 l) / k, whose sum over k is (K1 - K0) l + (L0 - K0 l) (H(K1) - H(K0)), where
    H(k) = 1 + 1/2 + ... + 1/k.
    """
    if not len(rows):
        return np.full(rows.shape[1], math.nan)
    kept, lost = np.cumsum(rows, axis=0), np.cumsum(losses, axis=0)
    total = kept[-1]
    harmonic = np.r_[0, np.cumsum(1 / np.arange(1, int(total.max(initial=0)) + 1))]
    mean = np.divide(losses, rows, out=np.zeros_like(lost), where=rows > 0)
    before, ended = (kept - rows).round().astype(int), kept.round().astype(int)
    start = lost - losses - before * mean
    area = (losses + start * (harmonic[ended] - harmonic[before])).sum(0)
    return np.divide(area, total, out=np.full(len(total), math.nan), where=total > 0)


def _group(confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the G values of the confidence, the highest first, and the group (n,) of each row."""
    cutoffs, groups = np.unique(-confidence, return_inverse=True)
    return -cutoffs, groups


def _check(confidence: ArrayLike, losses: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values, lost = np.asarray(confidence, "float64"), np.asarray(losses, "float64")
    if values.ndim != 1 or values.shape != lost.shape:
        raise ValueError(f"confidence and losses have one shape (n,), and not {values.shape} and {lost.shape}")
    if not (np.isfinite(values).all() and np.isfinite(lost).all()):
        raise ValueError("a confidence or loss is NaN or infinity")
    return values, lost
