"""Reliability: how often a finding was there, by its predicted probability, before and after calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from chexpert.evaluation import Calibration, LabeledScores, evaluate_calibrated
from chexpert.metrics.calibration import find_bins
from chexpert.report.figures.roc import SIZE, frame
from chexpert.report.figures.svg import FAINT, INK, plot_svg

BEFORE, AFTER = "#D55E00", "#0072B2"
LARGEST = 60  # square points of the dot that stands for all rows
LEAST = 5  # rows of a bin that the line goes through: a share of fewer swings between 0 and 1


@dataclass(frozen=True)
class Reliability:
    """Of an observation.

    Attributes:
        observation: its name.
        diagram: inline SVG.
        before: Brier score and ECE of the raw scores, with intervals.
        after: likewise of the calibrated ones; None where they were not calibrated.
    """

    observation: str
    diagram: Markup
    before: Mapping[str, Any]
    after: Mapping[str, Any] | None


def plot_reliability(
    labeled: LabeledScores, content: Mapping[str, Any], calibration: Calibration | None, where: str, key: str
) -> list[Reliability]:
    """Plot the diagrams of scores in [0, 1], with their calibration metrics.

    Args:
        labeled: scores and labels.
        content: their evaluation.
        calibration: fitted on other rows; None where there is none.
        where: the evaluation setting.
        key: of the SVG's ids.
    """
    calibrated = find_calibrated(labeled, content, calibration) if calibration else {}
    found = []
    for c, name in enumerate(labeled.observations):
        scores, labels, _ = labeled.column(name)
        if not len(scores):
            continue
        own = describe_before_and_after(scores, name, labeled.level, calibration)
        diagram = plot_diagram(own, labels, f"{name}, {where}", f"{key}-{c}")
        found.append(Reliability(name, diagram, content["calibration"][name], calibrated.get(name)))
    return found


def describe_before_and_after(
    scores: np.ndarray, name: str, level: str, calibration: Calibration | None
) -> dict[str, np.ndarray]:
    """Return the scores of one observation, and the calibrated ones where a calibration was fitted."""
    if not calibration or not calibration.levels.get(level, {}).get(name):
        return {"before": scores}
    return {"before": scores, "after": calibration.apply(scores[:, None], [name], level)[:, 0]}


def find_calibrated(labeled: LabeledScores, content: Mapping[str, Any], calibration: Calibration) -> Mapping[str, Any]:
    """Return Brier score and ECE by observation after calibration: from the run's evaluation, or computed now."""
    if calibrated := content.get("calibrated"):
        return calibrated["figures"]
    now = evaluate_calibrated(labeled, calibration, content["bootstrap"]["seed"])
    return now["figures"] if now else {}


def plot_diagram(scores: Mapping[str, np.ndarray], labels: np.ndarray, title: str, key: str) -> Markup:
    """Plot the share of positives over the mean probability, a dot a bin, as large as its rows are many."""
    return plot_svg(key, f"Reliability diagram: {title}", SIZE, lambda axes: paint_diagram(axes, scores, labels))


def paint_diagram(axes: Axes, scores: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
    """Plot the diagram of :func:`plot_diagram` on given axes."""
    axes.plot([0, 1], [0, 1], color=INK, alpha=FAINT, linewidth=1)
    for when, color, marker in (("before", BEFORE, "D"), ("after", AFTER, "o")):
        if when in scores:
            across, up, rows = bin_up(scores[when], labels)
            many = rows >= LEAST
            axes.plot(across[many], up[many], color=color, linewidth=1, alpha=0.7)
            axes.scatter(across, up, 6 + LARGEST * rows / len(labels), color=color, marker=marker, linewidths=0)
    frame(axes, "predicted probability", "share of positives")


def bin_up(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean score, share of positives and rows of each bin that has any.

    >>> [part.tolist() for part in bin_up(np.array([0.0, 0.02, 1.0]), np.array([0.0, 1.0, 1.0]))]
    [[0.01, 1.0], [0.5, 1.0], [2, 1]]
    """
    _, places, rows = np.unique(find_bins(scores), return_inverse=True, return_counts=True)
    return np.bincount(places, scores) / rows, np.bincount(places, labels) / rows, rows
