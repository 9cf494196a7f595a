"""ROC and precision-recall curves of one observation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from chexpert.evaluation import LabeledScores
from chexpert.evaluation.readers import ReaderPoint
from chexpert.report.figures.style import PLAIN
from chexpert.report.figures.svg import FAINT, INK, plot_svg

SIZE = (2.15, 2.05)  # inches: two of them beside each other on a phone
RULE = "youden"
MARK = "#D55E00"
READER = "#009E73"


@dataclass(frozen=True)
class Curves:
    """Of an observation: both as inline SVG, and how many readers have a point."""

    observation: str
    roc: Markup
    pr: Markup
    readers: int = 0


def plot_curves(
    labeled: LabeledScores, content: Mapping[str, Any], where: str, key: str,
    readers: Mapping[str, Sequence[ReaderPoint]] = MappingProxyType({}),
) -> list[Curves]:  # fmt: skip
    """Plot the curves of each observation that has both classes.

    Args:
        labeled: scores and labels.
        content: their evaluation, for the thresholds that were chosen elsewhere; may be empty.
        where: the evaluation setting, for those who do not see the curves.
        key: of the SVG's ids.
        readers: points of human readers by observation.
    """
    points = content.get("operating_points") or {}
    found = []
    for c, name in enumerate(labeled.observations):
        scores, labels, _ = labeled.column(name)
        if 0 < labels.sum() < len(labels):
            point, title, own = points.get(name, {}).get(RULE), f"{name}, {where}", readers.get(name, ())
            roc = plot_roc(scores, labels, point, title, f"{key}-roc-{c}", own)
            found.append(Curves(name, roc, plot_pr(scores, labels, title, f"{key}-pr-{c}"), len(own)))
    return found


def plot_roc(
    scores: np.ndarray, labels: np.ndarray, point: Mapping[str, Any] | None, title: str, key: str,
    readers: Sequence[ReaderPoint] = (),
) -> Markup:  # fmt: skip
    """Plot sensitivity over 1 - specificity; a cross where the chosen threshold lands on these rows.

    Readers are rings: their points are of a file, not of these rows.
    """
    from sklearn.metrics import roc_curve  # takes a second

    wrong, right, _ = roc_curve(labels, scores)

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=INK, alpha=FAINT, linewidth=1)
        axes.plot(wrong, right, color=PLAIN)
        if point and point["sensitivity"]["value"] is not None and point["specificity"]["value"] is not None:
            place = 1 - point["specificity"]["value"], point["sensitivity"]["value"]
            axes.plot(*place, "P", color=MARK, markersize=7, markeredgewidth=0, zorder=3)
        places = [(1 - own.specificity, own.sensitivity) for own in readers]
        if places:
            axes.plot(*zip(*places, strict=True), "o", mfc="none", mec=READER, markersize=5, mew=1.3, zorder=4)
        frame(axes, "1 - specificity", "sensitivity")

    return plot_svg(key, f"ROC curve: {title}", SIZE, paint)


def plot_pr(scores: np.ndarray, labels: np.ndarray, title: str, key: str) -> Markup:
    """Plot precision over recall, in steps; the horizontal line is chance, the prevalence."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    found = recall > 0  # before the first true one is found, precision is 0, or by convention 1

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [labels.mean()] * 2, color=INK, alpha=FAINT, linewidth=1)
        axes.plot(recall[found], precision[found], color=PLAIN, drawstyle="steps-post")
        frame(axes, "recall", "precision")

    return plot_svg(key, f"Precision-recall curve: {title}", SIZE, paint)


def frame(axes: Axes, across: str, up: str) -> None:
    """Set both axes from 0 to 1, square."""
    axes.set(xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xticks((0, 0.5, 1), ("0", ".5", "1"))
    axes.set_yticks((0, 0.5, 1), ("0", ".5", "1"))
