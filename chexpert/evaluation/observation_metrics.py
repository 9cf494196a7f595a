"""The metrics of one observation, each with its interval over resampled studies."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chexpert.evaluation.join import LabeledScores
from chexpert.metrics import Auroc, Interval, auroc, auroc_mean, logit_interval, percentile_interval
from chexpert.metrics.auroc_intervals import bound_extreme
from chexpert.metrics.bootstrap import weighted_aurocs, weighted_average_precisions, weighted_means
from chexpert.metrics.calibration import expected_calibration_error, weighted_calibration_errors
from chexpert.metrics.delong import delong_interval


@dataclass(frozen=True)
class Sample:
    """The n labeled rows of an observation.

    Attributes:
        observation: its name.
        scores: (n,) float.
        labels: (n,) in {0, 1}.
        counts: (R, n), how often each row was sampled.
    """

    observation: str
    scores: np.ndarray
    labels: np.ndarray
    counts: np.ndarray

    @cached_property
    def value(self) -> Auroc:
        """The AUROC of the rows themselves."""
        return auroc(self.scores, self.labels)

    @cached_property
    def aurocs(self) -> np.ndarray:
        """(R,) of the replicates."""
        return weighted_aurocs(self.scores, self.labels, self.counts)

    @property
    def rarer(self) -> int:
        """Rows of the rarer class."""
        return min(self.value.positives, self.value.negatives)

    def interval(self) -> Interval:
        """Return the AUROC with its interval."""
        return logit_interval(self.value.value, self.aurocs, len(self.scores), self.rarer)

    def auroc(self) -> dict[str, Any]:
        """Return the AUROC with its interval, DeLong's beside it as a check, and support."""
        found, ends = self.interval(), (math.nan, math.nan)
        if self.rarer > 1:
            ends = delong_interval(self.scores, self.labels)
        return interval_to_dict(found) | {
            "positives": self.value.positives,
            "negatives": self.value.negatives,
            "undefined_replicates": found.undefined_replicates,
            "delong_low": ends[0],
            "delong_high": ends[1],
        }

    def auprc(self) -> dict[str, Any]:
        """Return the average precision with its interval, and the prevalence, which it is at chance."""
        if not self.rarer:
            return interval_to_dict(Interval(math.nan, math.nan, math.nan, 0, 0)) | {"prevalence": self.prevalence}
        found = self.resample(weighted_average_precisions, logit=True)
        return interval_to_dict(found) | {"prevalence": self.prevalence}

    @property
    def prevalence(self) -> float:
        """Share of positives; NaN without a row."""
        return float(self.labels.mean()) if len(self.labels) else math.nan

    def resample(self, metric: Callable[..., np.ndarray], *, logit: bool = False) -> Interval:
        """Compute a metric ``(scores, labels, counts) -> (R,)`` on the rows and on the replicates."""
        value = float(metric(self.scores, self.labels, np.ones((1, len(self.scores))))[0])
        replicates = metric(self.scores, self.labels, self.counts)
        if logit:
            return logit_interval(value, replicates, len(self.scores), self.rarer)
        return percentile_interval(value, replicates, len(self.scores))

    @staticmethod
    def mean(samples: "Sequence[Sample]") -> Interval:
        """Return the mean AUROC of several observations; NaN of none."""
        if not samples:
            return Interval(math.nan, math.nan, math.nan, 0, 0)
        value = float(np.mean([sample.value.value for sample in samples]))
        replicates = np.mean([sample.aurocs for sample in samples], axis=0)
        rows = max(len(sample.scores) for sample in samples)
        return logit_interval(value, replicates, rows, rarest=min(sample.rarer for sample in samples))


def take_samples(labeled: LabeledScores, counts: np.ndarray) -> Iterator[Sample]:
    """Yield the labeled rows of each observation, and how often each was sampled."""
    for c, name in enumerate(labeled.observations):
        known = np.isfinite(labeled.labels[:, c])
        own = counts if known.all() else counts[:, known]
        yield Sample(name, labeled.scores[known, c], labeled.labels[known, c], own)


def evaluate_mean(samples: Mapping[str, Sample], mean_over: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the mean AUROC with its interval over the defined observations, and their names."""
    _, over = auroc_mean({name: sample.value for name, sample in samples.items()},
                         [name for name in mean_over if name in samples])  # fmt: skip
    found = Sample.mean([samples[name] for name in over])
    return interval_to_dict(found) | {"undefined_replicates": found.undefined_replicates}, over


def interval_to_dict(interval: Interval) -> dict[str, Any]:
    """Return an interval in the form of the JSON files."""
    return {"value": interval.value, "ci_low": interval.ci_low, "ci_high": interval.ci_high}


def evaluate_calibration(sample: Sample) -> dict[str, Any]:
    """Return Brier score and expected calibration error; NaN without a row."""
    if not len(sample.scores):
        nothing = interval_to_dict(Interval(math.nan, math.nan, math.nan, 0, 0))
        return {"brier": nothing, "ece": nothing}
    brier = sample.resample(lambda scores, labels, counts: weighted_means((scores - labels) ** 2, counts))
    return {"brier": interval_to_dict(brier), "ece": interval_to_dict(_estimate_error(sample))}


def _estimate_error(sample: Sample) -> Interval:
    """Compute the calibration error with the spread of resampled rows about it, in which the error is larger."""
    value = expected_calibration_error(sample.scores, sample.labels)
    replicates = weighted_calibration_errors(sample.scores, sample.labels, sample.counts)
    return percentile_interval(value, np.maximum(replicates - np.nanmean(replicates) + value, 0), len(sample.scores))


def evaluate_point(sample: Sample, threshold: float) -> dict[str, Any]:
    """Return sensitivity and specificity at a threshold; NaN where the threshold or a class is undefined."""
    predicted = (sample.scores >= threshold).astype("float64")
    return {
        "threshold": threshold,
        "sensitivity": _share(predicted, sample.labels == 1, sample, threshold),
        "specificity": _share(1 - predicted, sample.labels == 0, sample, threshold),
    }


def _share(right: np.ndarray, rows: np.ndarray, sample: Sample, threshold: float) -> dict[str, Any]:
    if math.isnan(threshold) or not rows.any():
        return interval_to_dict(Interval(math.nan, math.nan, math.nan, 0, 0))
    value, count = float(right[rows].mean()), int(rows.sum())
    if value in (0, 1):  # every replicate is alike
        return {"value": value} | dict(zip(("ci_low", "ci_high"), bound_extreme(value, count), strict=True))
    return interval_to_dict(percentile_interval(value, weighted_means(right[rows], sample.counts[:, rows]), count))
