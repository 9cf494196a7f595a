"""The table of a split: each observation with its metrics, their intervals and counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chexpert.evaluation.thresholds import warn_of_labels
from chexpert.report.evaluation_setting import describe_choice, describe_interval, describe_labels, describe_rows
from chexpert.report.run_data import RunData
from chexpert.report.text.evaluation_settings import SettingsTable, collect_settings, list_missing

RULES = {"youden": "Youden", "f1": "F1"}
"""Others are ``specificity_0.9`` and the like."""


@dataclass(frozen=True)
class Line:
    """An observation: a missing metric is None, an undefined one has the value None."""

    observation: str
    auroc: Mapping[str, Any]
    auprc: Mapping[str, Any] | None
    brier: Mapping[str, Any] | None
    ece: Mapping[str, Any] | None


@dataclass(frozen=True)
class Point:
    """An observation at a threshold, and by what rule that was chosen."""

    rule: str
    threshold: float | None
    sensitivity: Mapping[str, Any]
    specificity: Mapping[str, Any]


@dataclass(frozen=True)
class Performance:
    """A split and its metrics.

    Attributes:
        split: its name.
        rows: split, level, views and n.
        labels: whose.
        choice: how the epoch was chosen.
        interval: what its ends are.
        lines: one an observation.
        mean: None where it has no interval.
        points: sensitivity and specificity by observation, of each the same rules.
        points_chosen_on: where their thresholds come from.
        points_warning: what they are not for.
        note: why there is no calibration.
        settings: the AUROCs in each evaluation setting; None where there is one setting alone.
        missing_settings: why the predictions cannot give the others.
    """

    split: str
    rows: str
    labels: str
    choice: str
    interval: str
    lines: list[Line]
    mean: Mapping[str, Any] | None
    points: dict[str, list[Point]]
    points_chosen_on: str | None
    points_warning: str | None
    note: str | None
    settings: SettingsTable | None = None
    missing_settings: list[str] = field(default_factory=list)


def collect_performance(run_data: RunData, split: str, hide: Any = str) -> Performance:
    """Collect the metrics of a split; ``hide`` spells a text that may name a file."""
    content = run_data.evaluations.get(split, {})
    chosen = content.get("operating_points_chosen_on")
    return Performance(
        split,
        describe_rows(run_data, split),
        describe_labels(run_data, split),
        describe_choice(run_data, split),
        describe_interval(content),
        list_lines(content or run_data.metrics[split]),
        content.get("auroc_mean"),
        list_points(content.get("operating_points") or {}),
        None if chosen is None else hide(str(chosen)),
        warn_of_labels(content.get("operating_points_labels")),
        content.get("not_probabilities"),
        collect_settings(content),
        list_missing(content.get("evaluation_settings") or {}),
    )


def list_lines(content: Mapping[str, Any]) -> list[Line]:
    """Return the lines of an evaluation; of a run before there were any, AUROC and counts alone."""
    precisions, calibrations = content.get("auprc") or {}, content.get("calibration") or {}
    return [
        Line(name, auroc, precisions.get(name), own.get("brier"), own.get("ece"))
        for name, auroc in content["auroc"].items()
        for own in [calibrations.get(name) or {}]
    ]


def list_points(points: Mapping[str, Any]) -> dict[str, list[Point]]:
    """Return the rows of the table of thresholds."""
    return {
        name: [
            Point(
                RULES.get(rule) or rule.replace("_0.", " ."), own["threshold"], own["sensitivity"], own["specificity"]
            )
            for rule, own in rules.items()
        ]
        for name, rules in points.items()
    }
