"""The risk-coverage curves of confidences, each compared with random deferral and with the plain confidence."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chexpert.evaluation.join import describe_bootstrap
from chexpert.evaluation.observation_metrics import interval_to_dict
from chexpert.evaluation.selective.confidence import PLAIN, RANDOM
from chexpert.evaluation.selective.labeled import LabeledConfidences
from chexpert.metrics.auroc_intervals import logit_interval, percentile_interval
from chexpert.metrics.bootstrap import Interval
from chexpert.metrics.comparison import adjust_holm, paired_interval, paired_p
from chexpert.metrics.resampling import compute_replicates, mean_sums, sample_studies
from chexpert.metrics.risk_coverage import (
    RiskCoverage,
    aurc_replicates,
    count_kept,
    risk_coverage,
    risk_replicates,
)

COVERAGES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))
"""The coverages of a curve in the JSON files."""
LOSSES = ("error", "brier")
"""0/1 error of the decision at the threshold, and squared error of the probability."""
INTERVALS: Mapping[str, Callable[[float, np.ndarray, int], Interval]] = {
    "error": logit_interval,
    "brier": percentile_interval,
}
"""A share has an interval on the scale of log odds, also where it is 0; a mean square may be tiny, and is no share."""
MEAN = "mean"
"""Of a row over its labeled observations."""
ALPHA = 0.05
MOST, LEAST = 1000, 100
"""Replicates of few rows, and of many."""
RESAMPLED = 1_000_000
"""Rows times replicates, in between: their product is what the time grows with."""


def choose_replicates(rows: int) -> int:
    """Return the number of bootstrap replicates of so many rows: it falls from 1,000 rows on, and is 100 of 10,000.

    >>> [choose_replicates(rows) for rows in (0, 1000, 5000, 5001, 20_000)]
    [1000, 1000, 200, 199, 100]
    """
    return min(MOST, max(LEAST, RESAMPLED // max(1, rows)))


def compute_losses(probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> dict[str, np.ndarray]:
    """Return both losses (N, C) of probabilities, NaN where there is no label.

    Args:
        probabilities: (N, C) in [0, 1].
        labels: (N, C) in {1, 0, NaN}.
        thresholds: (C,), from which on a probability is a yes.
    """
    wrong = np.where(np.isnan(labels), np.nan, (probabilities >= thresholds) != (labels == 1))
    return {"error": wrong, "brier": (probabilities - labels) ** 2}


def average_observations(values: np.ndarray) -> np.ndarray:
    """Return the mean (N,) over the observations of values (N, C), NaN where none is known."""
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0).sum(1), known.sum(1)
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def evaluate_selective(
    labeled: LabeledConfidences, thresholds: np.ndarray, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Evaluate each confidence on labeled rows: for each observation, and for the mean over them.

    The risk of a row is the mean loss over its labeled observations; its confidence is the mean over all of them,
    since a reader sees the row and not one observation of it, and nobody knows beforehand which ones have a label.

    Args:
        labeled: n rows; whole studies are resampled, for all confidences alike.
        thresholds: (C,) of the decisions.
        replicates: number of bootstrap replicates.
        seed: of the resampling.

    Returns:
        ``n``, ``coverages``, ``thresholds``, ``bootstrap``; and by confidence under ``confidences``, for ``mean`` and
        for each observation, of each loss: ``n``, ``risk`` (of all rows), ``aurc``, ``excess_aurc``, ``risks`` at the
        coverages, ``over_random`` and ``over_plain``: the difference in AURC from random deferral, whose expected risk
        is that of all rows, and from the plain confidence; below 0 is better. Observations without a label are in
        ``unlabeled``.
    """
    confidences, labels, studies = labeled.confidences, labeled.labels, labeled.studies
    counts = sample_studies(int(studies.max(initial=-1)) + 1, replicates, seed)
    losses = compute_losses(confidences.probabilities, labels, thresholds)
    names = [name for c, name in enumerate(confidences.observations) if np.isfinite(labels[:, c]).any()]
    found: dict[str, Any] = {}
    for kind, values in confidences.values.items():
        found[kind] = {MEAN: {}} | {name: {} for name in names}
        for name, own in found[kind].items():
            c = None if name == MEAN else list(confidences.observations).index(name)
            surety = values.mean(1) if c is None else values[:, c]
            for loss, lost in losses.items():
                rows = average_observations(lost) if c is None else lost[:, c]
                known = np.isfinite(rows)
                own[loss] = _Curve(loss, surety[known], rows[known], counts, studies[known])
    described = {
        kind: {
            name: {loss: curve.describe(found[PLAIN][name][loss] if kind != PLAIN else None)
                   for loss, curve in own.items()}
            for name, own in parts.items()
        }
        for kind, parts in found.items()
    }  # fmt: skip
    _adjust(described)
    return {
        "n": len(labels),
        "unlabeled": [name for name in confidences.observations if name not in names],
        "coverages": list(COVERAGES),
        "thresholds": dict(zip(confidences.observations, thresholds.tolist(), strict=True)),
        "bootstrap": describe_bootstrap(confidences.names, studies, replicates, seed),
        "confidences": described,
    }


class _Curve:
    """One confidence and one loss of n rows, with the replicates of its area."""

    def __init__(
        self, loss: str, confidence: np.ndarray, losses: np.ndarray, counts: np.ndarray, studies: np.ndarray
    ) -> None:
        self.bound = INTERVALS[loss]
        self.confidence, self.losses, self.counts, self.studies = confidence, losses, counts, studies
        self.curve: RiskCoverage = risk_coverage(confidence, losses)
        rows = counts[studies]  # of all curves together they would take hundreds of MB, so none keeps its own
        self.areas = aurc_replicates(confidence, losses, rows)
        self.means = compute_replicates([(mean_sums(losses), np.arange(len(losses)))], rows)[0]

    def describe(self, plain: "_Curve | None") -> dict[str, Any]:
        """Return the metrics with their intervals, and the paired differences."""
        n, area = self.curve.n, self.curve.aurc()
        risks = risk_replicates(self.confidence, self.losses, self.counts[self.studies], COVERAGES)
        own = {
            "n": n,
            "risk": interval_to_dict(self.bound(self.curve.risk(), self.means, n)),
            "aurc": interval_to_dict(self.bound(area, self.areas, n)),
            "excess_aurc": self.curve.excess_aurc(),
            "risks": [
                interval_to_dict(self.bound(self.curve.risk(share), replicates, count_kept(n, share)))
                for share, replicates in zip(COVERAGES, risks, strict=True)
            ],
            f"over_{RANDOM}": describe_difference(area - self.curve.risk(), self.areas - self.means, n),
        }
        if plain is not None:
            value = area - plain.curve.aurc()
            own[f"over_{PLAIN}"] = describe_difference(value, self.areas - plain.areas, n)
        return own


def evaluate_kept(
    labeled: LabeledConfidences, thresholds: np.ndarray, kept: np.ndarray, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Evaluate the rows that the model decides after a deferral.

    Args:
        labeled: n rows.
        thresholds: (C,) of the decisions.
        kept: (n,) bool.
        replicates: number of bootstrap replicates.
        seed: of the resampling.

    Returns:
        ``n`` rows kept, ``coverage``, and of each loss its mean over the kept rows with its interval.
    """
    counts = sample_studies(int(labeled.studies.max(initial=-1)) + 1, replicates, seed)
    found: dict[str, Any] = {"n": int(kept.sum()), "coverage": float(kept.mean())}
    for loss, lost in compute_losses(labeled.confidences.probabilities, labeled.labels, thresholds).items():
        rows = average_observations(lost)
        known = kept & np.isfinite(rows)
        means = compute_replicates([(mean_sums(rows[known]), labeled.studies[known])], counts)[0]
        value = float(rows[known].mean()) if known.any() else math.nan
        found[loss] = interval_to_dict(INTERVALS[loss](value, means, int(known.sum())))
    return found


def describe_difference(value: float, replicates: np.ndarray, n: int) -> dict[str, Any]:
    """Return a paired difference with its 95 % interval and p."""
    return interval_to_dict(paired_interval(value, replicates, n)) | {"p": paired_p(value, replicates)}


def _adjust(described: Mapping[str, Any]) -> None:
    """Add Holm's p of the differences of a loss from the plain confidence, over the confidences, of the means alone."""
    others = [kind for kind in described if kind != PLAIN]
    for loss in LOSSES:
        differences = [described[kind][MEAN][loss][f"over_{PLAIN}"] for kind in others]
        for difference, p in zip(differences, adjust_holm([own["p"] for own in differences]), strict=True):
            difference["p_holm"] = p


def find_better(content: Mapping[str, Any], than: str, loss: str) -> list[str]:
    """Return the confidences whose area is shown to be below that of ``random`` or ``plain``, of the mean risk.

    Args:
        content: of :func:`evaluate_selective`.
        than: ``random`` or ``plain``.
        loss: ``error`` or ``brier``.
    """
    found = []
    for kind, parts in content["confidences"].items():
        difference = parts[MEAN][loss].get(f"over_{than}")
        p = difference.get("p_holm", difference["p"]) if difference else None
        if difference and p is not None and p < ALPHA and difference["value"] < 0:
            found.append(kind)
    return found
