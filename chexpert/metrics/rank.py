"""AUROCs of several scores of the same rows, with intervals of each and of their differences."""

import numpy as np

from chexpert.metrics.bootstrap import Interval
from chexpert.metrics.intervals import percentile_interval
from chexpert.metrics.resampling import draw_studies, weighted_aurocs


class RankedScores:
    """M scores of the same N rows against the same labels; a replicate of the bootstrap draws rows for all at once.

    Args:
        scores: (M, N) float, any monotone scale: logits rank as probabilities do.
        labels: (N,) in {0, 1}.
        replicates: how many.
        seed: of the drawing.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray, replicates: int = 1000, seed: int = 0) -> None:
        self.n, self.positives = len(labels), int((np.asarray(labels) == 1).sum())
        drawn = draw_studies(np.arange(self.n), replicates, seed)
        counts = np.vstack([np.ones((1, self.n)), drawn])  # the first draws every row once
        self._aurocs = np.stack([weighted_aurocs(own, labels, counts) for own in scores], axis=1)

    def auroc(self, score: int) -> Interval:
        """AUROC of one score: ties count half; NaN where a class is absent."""
        return self._tell(self._aurocs[:, score])

    def difference(self, score: int, other: int) -> Interval:
        """The AUROC of one score less that of another."""
        return self._tell(self._aurocs[:, score] - self._aurocs[:, other])

    def _tell(self, values: np.ndarray) -> Interval:
        return percentile_interval(float(values[0]), values[1:], self.n)
