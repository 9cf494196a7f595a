"""AUROCs of several scores of the same rows, with intervals of each and of their differences."""

import math

import numpy as np

from chexpert.metrics.bootstrap import Interval, find_ends


class RankedScores:
    """M scores of the same N rows against the same labels; a replicate of the bootstrap draws rows for all at once.

    Args:
        scores: (M, N) float, any monotone scale: logits rank as probabilities do.
        labels: (N,) in {0, 1}.
        replicates: how many.
        seed: of the drawing.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray, replicates: int = 1000, seed: int = 0) -> None:
        positive = np.asarray(labels) == 1
        self.n, self.positives = len(positive), int(positive.sum())
        counts = np.random.default_rng(seed).multinomial(self.n, np.full(self.n, 1 / max(self.n, 1)), replicates)
        self._rows = np.vstack([np.ones((1, self.n)), counts])  # the first draws every row once
        self._aurocs = np.stack([self._count(np.asarray(own, "float64"), positive) for own in scores], axis=1)

    def auroc(self, score: int) -> Interval:
        """AUROC of one score: ties count half; NaN where a class is absent."""
        return self._tell(self._aurocs[:, score])

    def difference(self, score: int, other: int) -> Interval:
        """The AUROC of one score less that of another."""
        return self._tell(self._aurocs[:, score] - self._aurocs[:, other])

    def _count(self, scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
        """(1 + replicates,): share of pairs of a positive and a negative row that are in order."""
        yes, no = scores[positive][:, None], scores[~positive][None]
        wins = (yes > no) + 0.5 * (yes == no)
        ups, downs = self._rows[:, positive], self._rows[:, ~positive]
        pairs = ups.sum(1) * downs.sum(1)
        won = ((ups @ wins) * downs).sum(1)
        return np.divide(won, pairs, out=np.full(len(pairs), math.nan), where=pairs > 0)

    def _tell(self, values: np.ndarray) -> Interval:
        value, replicates = float(values[0]), values[1:][np.isfinite(values[1:])]
        if math.isnan(value) or not len(replicates):
            return Interval(value, math.nan, math.nan, self.n, len(values) - 1 - len(replicates))
        return Interval(value, *find_ends(replicates), self.n, len(values) - 1 - len(replicates))
