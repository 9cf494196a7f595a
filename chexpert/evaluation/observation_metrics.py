"""The metrics of one observation, each with its interval over resampled studies."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chexpert.evaluation.join import LabeledScores
from chexpert.metrics import Auroc, Interval, auroc, auroc_mean, logit_interval, percentile_interval
from chexpert.metrics.auroc_intervals import bound_extreme
from chexpert.metrics.calibration import calibration_error_sums, expected_calibration_error
from chexpert.metrics.delong import delong_interval
from chexpert.metrics.resampling import Sums, auroc_sums, average_precision_sums, compute_replicates, mean_sums

METRICS: Mapping[str, Callable[[np.ndarray, np.ndarray], Sums]] = {
    "auroc": auroc_sums,
    "auprc": average_precision_sums,
    "brier": lambda scores, labels: mean_sums((scores - labels) ** 2),
    "ece": calibration_error_sums,
    "prevalence": lambda scores, labels: mean_sums(labels),
}
"""Of the scores and labels (n,) of an observation; ``brier`` and ``ece`` need probabilities."""


@dataclass(frozen=True)
class Sample:
    """The n labeled rows of an observation.

    Attributes:
        observation: its name.
        scores: (n,) float.
        labels: (n,) in {0, 1}.
        studies: (n,) int, the number of each row's study.
        replicates: by metric (R,), its values in the replicates.
    """

    observation: str
    scores: np.ndarray
    labels: np.ndarray
    studies: np.ndarray
    replicates: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def value(self) -> Auroc:
        """The AUROC of the rows themselves."""
        return auroc(self.scores, self.labels)

    @property
    def aurocs(self) -> np.ndarray:
        """(R,) of the replicates."""
        return self.replicates["auroc"]

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
        found = self.resample("auprc", logit=True)
        return interval_to_dict(found) | {"prevalence": self.prevalence}

    @property
    def prevalence(self) -> float:
        """Share of positives; NaN without a row."""
        return float(self.labels.mean()) if len(self.labels) else math.nan

    def resample(self, metric: str, *, logit: bool = False) -> Interval:
        """Return a metric of the rows with its interval."""
        value = METRICS[metric](self.scores, self.labels).value()
        if logit:
            return logit_interval(value, self.replicates[metric], len(self.scores), self.rarer)
        return percentile_interval(value, self.replicates[metric], len(self.scores))

    @staticmethod
    def mean(samples: "Sequence[Sample]") -> Interval:
        """Return the mean AUROC of several observations; NaN of none."""
        if not samples:
            return Interval(math.nan, math.nan, math.nan, 0, 0)
        value = float(np.mean([sample.value.value for sample in samples]))
        replicates = np.mean([sample.aurocs for sample in samples], axis=0)
        rows = max(len(sample.scores) for sample in samples)
        return logit_interval(value, replicates, rows, rarest=min(sample.rarer for sample in samples))


def take_samples(
    labeled: LabeledScores, counts: np.ndarray, metrics: Sequence[str], rows: np.ndarray | None = None
) -> dict[str, Sample]:
    """Return the labeled rows of each observation, with metrics of the replicates, by its name.

    Args:
        labeled: N rows.
        counts: (S, R), how often each study was sampled.
        metrics: names of some of ``METRICS``.
        rows: (N,) bool, those to take; by default all.
    """
    known = np.isfinite(labeled.labels) if rows is None else np.isfinite(labeled.labels) & rows[:, None]
    samples = [
        Sample(name, labeled.scores[own, c], labeled.labels[own, c], labeled.studies[own])
        for c, (name, own) in enumerate(zip(labeled.observations, known.T, strict=True))
    ]
    pairs = [(sample, metric) for sample in samples for metric in metrics]
    sums = ((METRICS[metric](sample.scores, sample.labels), sample.studies) for sample, metric in pairs)
    for (sample, metric), values in zip(pairs, compute_replicates(sums, counts), strict=True):
        sample.replicates[metric] = values
    return {sample.observation: sample for sample in samples}


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
    return {"brier": interval_to_dict(sample.resample("brier")), "ece": estimate_calibration_error(sample)}


def estimate_calibration_error(sample: Sample) -> dict[str, Any]:
    """Return the calibration error with the spread of resampled rows about it, in which the error is larger."""
    if not len(sample.scores):
        return interval_to_dict(Interval(math.nan, math.nan, math.nan, 0, 0))
    value, replicates = expected_calibration_error(sample.scores, sample.labels), sample.replicates["ece"]
    centered = np.maximum(replicates - np.nanmean(replicates) + value, 0)
    return interval_to_dict(percentile_interval(value, centered, len(sample.scores)))


def evaluate_points(
    samples: Mapping[str, Sample], points: Mapping[str, Mapping[str, float]], counts: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Return sensitivity and specificity at thresholds; NaN where the threshold or a class is undefined.

    Args:
        samples: rows by observation.
        points: thresholds by observation and rule; observations without a sample are left out.
        counts: (S, R), how often each study was sampled.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in samples if name in points}
    shares: dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]] = {}
    for name in found:
        for rule, threshold in points[name].items():
            found[name][rule] = {"threshold": threshold}
            shares |= {(name, rule, share): rows for share, rows in _take_right(samples[name], threshold).items()}
    replicates = compute_replicates(((mean_sums(right), studies) for right, studies in shares.values()), counts)
    for ((name, rule, share), (right, _)), values in zip(shares.items(), replicates, strict=True):
        rows = right[:0] if math.isnan(points[name][rule]) else right
        found[name][rule][share] = describe_share(rows, values)
    return found


def _take_right(sample: Sample, threshold: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of the rows of each class, whether the threshold is right about them, and their studies."""
    positive = sample.labels == 1
    right = (sample.scores >= threshold) == positive
    classes = {"sensitivity": positive, "specificity": ~positive}
    return {share: (right[rows], sample.studies[rows]) for share, rows in classes.items()}


def describe_share(right: np.ndarray, replicates: np.ndarray) -> dict[str, Any]:
    """Return a share of rows (n,) bool with its interval, that of the exact binomial for 0 and 1; NaN without a row."""
    if not len(right):
        return interval_to_dict(Interval(math.nan, math.nan, math.nan, 0, 0))
    value, count = float(right.mean()), len(right)
    if value in (0, 1):  # every replicate is alike
        return {"value": value} | dict(zip(("ci_low", "ci_high"), bound_extreme(value, count), strict=True))
    return interval_to_dict(percentile_interval(value, replicates, count))
