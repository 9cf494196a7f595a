"""Metrics of resampled studies, of the rows of single maps."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from chexpert.evaluation.explainers.metrics import Metric
from chexpert.evaluation.explainers.models import ViewRows
from chexpert.metrics.resampling import resample_studies
from chexpert.metrics.study_aggregation import number_units


class ViewReplicates:
    """The metrics of V views and of R replicates that sample their studies with replacement, the same for all.

    Of external data sets whole patients are sampled.

    Args:
        views: names of the views that were scored.
        replicates: R.
        seed: seed of the resampling.
    """

    def __init__(self, views: Iterable[str], replicates: int = 1000, seed: int = 0) -> None:
        names = sorted(set(views))
        self._places = {view: place for place, view in enumerate(names)}
        studies, _ = number_units(names)
        counts = resample_studies(studies, replicates, seed)
        self._counts = np.vstack([np.ones((1, len(names))), counts])  # the first holds every view once

    def select(self, rows: ViewRows, metric: Metric) -> np.ndarray:
        """Return the columns of a metric for the rows of an observation, (V, K), NaN in views without a value."""
        values = np.full((len(self._places), len(metric.columns)), np.nan)
        for view, row in rows.items():
            values[self._places[view]] = [row.get(column, np.nan) for column in metric.columns]
        values[~np.isfinite(values).all(1)] = np.nan
        return values

    def compute(self, values: np.ndarray, metric: Metric) -> np.ndarray:
        """Compute the metric of selected columns (V, K): (1 + R,), first of all views, then of each replicate."""
        defined = np.isfinite(values).all(1)
        support = self._counts @ defined
        sums = self._counts @ np.where(defined[:, None], values, 0)
        means = np.full(sums.shape, np.nan)
        means[support > 0] = sums[support > 0] / support[support > 0, None]
        found = metric.combine(means)
        return np.where(support > 0, found, np.nan)


def mean_over(found: Mapping[str, np.ndarray], observations: Sequence[str]) -> np.ndarray:
    """Return the mean over observations, (1 + R,); NaN in replicates in which one of them is undefined."""
    return np.mean([found[name] for name in observations], axis=0)
