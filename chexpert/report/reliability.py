"""Reliability: how often a finding was there, by the probability that was told of it, before and after calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from chexpert.evaluation import Judged
from chexpert.evaluation.calibration import Calibration
from chexpert.evaluation.figures import Sample, judge_calibration
from chexpert.metrics.calibration import find_bins
from chexpert.metrics.resampling import draw_studies
from chexpert.problem import ProblemError
from chexpert.report.curves import SIZE, frame
from chexpert.report.drawing import FAINT, INK, draw

BEFORE, AFTER = "#D55E00", "#0072B2"
LARGEST = 60  # square points of the dot that stands for all rows


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


def judge_reliability(
    judged: Judged, calibration: Calibration | None, bootstrap: Mapping[str, Any], where: str, key: str
) -> list[Reliability]:
    """Diagrams and figures of scores in [0, 1].

    Args:
        judged: scores and labels.
        calibration: fitted on other rows; None where there is none.
        bootstrap: ``replicates`` and ``seed`` of the intervals.
        where: the yardstick.
        key: of the SVG's ids.
    """
    counts = draw_studies(judged.studies, bootstrap["replicates"], bootstrap["seed"])
    found = []
    for c, name in enumerate(judged.observations):
        scores, labels, _ = judged.column(name)
        if not len(scores):
            continue
        told = {"before": scores}
        if calibration and (after := apply(calibration, scores, name, judged.level)) is not None:
            told["after"] = after
        drawn = counts[:, np.isfinite(judged.labels[:, c])]
        figures = {when: judge_calibration(Sample(name, own, labels, drawn)) for when, own in told.items()}
        diagram = draw_diagram(told, labels, f"{name}, {where}", f"{key}-{c}")
        found.append(Reliability(name, diagram, figures["before"], figures.get("after")))
    return found


def apply(calibration: Calibration, scores: np.ndarray, name: str, level: str) -> np.ndarray | None:
    """(N,) calibrated probabilities; None of an observation or level that was not fitted."""
    try:
        return calibration.apply(scores[:, None], [name], level)[:, 0]
    except ProblemError:
        return None


def draw_diagram(told: Mapping[str, np.ndarray], labels: np.ndarray, title: str, key: str) -> Markup:
    """Share of positives over mean probability, a dot a bin, as large as its rows are many."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=INK, alpha=FAINT, linewidth=1)
        for when, colour, marker in (("before", BEFORE, "D"), ("after", AFTER, "o")):
            if when in told:
                across, up, rows = bin_up(told[when], labels)
                axes.plot(across, up, color=colour, linewidth=1, alpha=0.7)
                axes.scatter(across, up, 6 + LARGEST * rows / len(labels), color=colour, marker=marker, linewidths=0)
        frame(axes, "probability told", "share of positives")

    return draw(key, f"Reliability diagram: {title}", SIZE, paint)


def bin_up(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean score, share of positives and rows of each bin that has any.

    >>> [part.tolist() for part in bin_up(np.array([0.0, 0.02, 1.0]), np.array([0.0, 1.0, 1.0]))]
    [[0.01, 1.0], [0.5, 1.0], [2, 1]]
    """
    _, places, rows = np.unique(find_bins(scores), return_inverse=True, return_counts=True)
    return np.bincount(places, scores) / rows, np.bincount(places, labels) / rows, rows
