"""The figures of one observation, each with its interval over drawn studies."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chexpert.evaluation.join import Judged
from chexpert.metrics import Auroc, Interval, auroc, logit_interval, percentile_interval
from chexpert.metrics.auroc_intervals import bound_extreme, delong_interval
from chexpert.metrics.bootstrap import weighted_aurocs, weighted_average_precisions, weighted_means
from chexpert.metrics.calibration import expected_calibration_error


@dataclass(frozen=True)
class Sample:
    """The n labelled rows of an observation.

    Attributes:
        observation: its name.
        scores: (n,) float.
        labels: (n,) in {0, 1}.
        counts: (R, n), how often each row was drawn.
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
        """AUROC with its interval."""
        return logit_interval(self.value.value, self.aurocs, len(self.scores), self.rarer)

    def auroc(self) -> dict[str, Any]:
        """AUROC with its interval, DeLong's beside it as a check, and support."""
        found, ends = self.interval(), (math.nan, math.nan)
        if self.rarer > 1:
            ends = delong_interval(self.scores, self.labels)
        return tell(found) | {
            "positives": self.value.positives,
            "negatives": self.value.negatives,
            "undefined_replicates": found.undefined_replicates,
            "delong_low": ends[0],
            "delong_high": ends[1],
        }

    def auprc(self) -> dict[str, Any]:
        """Average precision with its interval, and the prevalence, which it is at chance."""
        if not self.rarer:
            return tell(Interval(math.nan, math.nan, math.nan, 0, 0)) | {"prevalence": self.prevalence}
        found = self.resample(weighted_average_precisions, logit=True)
        return tell(found) | {"prevalence": self.prevalence}

    @property
    def prevalence(self) -> float:
        """Share of positives; NaN without a row."""
        return float(self.labels.mean()) if len(self.labels) else math.nan

    def resample(self, figure: Callable[..., np.ndarray], *, logit: bool = False) -> Interval:
        """A figure ``(scores, labels, counts) -> (R,)`` of the rows and of the replicates."""
        value = float(figure(self.scores, self.labels, np.ones((1, len(self.scores))))[0])
        replicates = figure(self.scores, self.labels, self.counts)
        if logit:
            return logit_interval(value, replicates, len(self.scores), self.rarer)
        return percentile_interval(value, replicates, len(self.scores))

    @staticmethod
    def mean(samples: "Sequence[Sample]") -> Interval:
        """The mean AUROC of several observations; NaN of none."""
        if not samples:
            return Interval(math.nan, math.nan, math.nan, 0, 0)
        value = float(np.mean([sample.value.value for sample in samples]))
        replicates = np.mean([sample.aurocs for sample in samples], axis=0)
        rows = max(len(sample.scores) for sample in samples)
        return logit_interval(value, replicates, rows, rarest=min(sample.rarer for sample in samples))


def take_samples(judged: Judged, counts: np.ndarray) -> Iterator[Sample]:
    """Of each observation the rows that have a label, and how often they were drawn."""
    for c, name in enumerate(judged.observations):
        known = np.isfinite(judged.labels[:, c])
        drawn = counts if known.all() else counts[:, known]
        yield Sample(name, judged.scores[known, c], judged.labels[known, c], drawn)


def tell(interval: Interval) -> dict[str, Any]:
    """A figure as JSON has it."""
    return {"value": interval.value, "ci_low": interval.ci_low, "ci_high": interval.ci_high}


def judge_calibration(sample: Sample) -> dict[str, Any]:
    """Brier score and expected calibration error; NaN without a row."""
    if not len(sample.scores):
        nothing = tell(Interval(math.nan, math.nan, math.nan, 0, 0))
        return {"brier": nothing, "ece": nothing}
    brier = sample.resample(lambda scores, labels, counts: weighted_means((scores - labels) ** 2, counts))
    return {"brier": tell(brier), "ece": tell(_judge_error(sample))}


def _judge_error(sample: Sample) -> Interval:
    """The calibration error with the spread of drawn rows about it; in those it is larger than in the rows."""
    value = float(expected_calibration_error(sample.scores, sample.labels, np.ones((1, len(sample.scores))))[0])
    drawn = expected_calibration_error(sample.scores, sample.labels, sample.counts)
    return percentile_interval(value, np.maximum(drawn - np.nanmean(drawn) + value, 0), len(sample.scores))


def judge_point(sample: Sample, threshold: float) -> dict[str, Any]:
    """Sensitivity and specificity from a threshold on; NaN where the threshold or a class is undefined."""
    told = (sample.scores >= threshold).astype("float64")
    return {
        "threshold": threshold,
        "sensitivity": _share(told, sample.labels == 1, sample, threshold),
        "specificity": _share(1 - told, sample.labels == 0, sample, threshold),
    }


def _share(right: np.ndarray, rows: np.ndarray, sample: Sample, threshold: float) -> dict[str, Any]:
    if math.isnan(threshold) or not rows.any():
        return tell(Interval(math.nan, math.nan, math.nan, 0, 0))
    value, count = float(right[rows].mean()), int(rows.sum())
    if value in (0, 1):  # every replicate is alike
        return {"value": value} | dict(zip(("ci_low", "ci_high"), bound_extreme(value, count), strict=True))
    return tell(percentile_interval(value, weighted_means(right[rows], sample.counts[:, rows]), count))
