"""How a run learned, from the event files that TensorBoard reads; no torch is needed."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from chexpert.report.figures.style import OTHER, SERIES
from chexpert.report.figures.svg import FAINT, INK, plot_svg, show_text
from chexpert.runs import files as run_files

SIZE = (4.4, 3.0)  # inches
MOST = 400  # points of a line
FEW = 5  # lines that colors can distinguish
BOUNDS = {"scalars": 0, "images": 1, "tensors": 1, "histograms": 1, "compressedHistograms": 1}
"""Of what is read, by kind; 0 is all."""
PREFIX = "val/auroc/"

Line = tuple[np.ndarray, np.ndarray]
"""Epochs, counted from 0 at the first step, and values."""


@dataclass(frozen=True)
class TrainingCurve:
    """A chart and what it shows."""

    title: str
    chart: Markup


def plot_training(run: Path, best_epoch: int | None, split: str) -> list[TrainingCurve]:
    """Plot loss, AUROC and learning rate by epoch; nothing where nothing was trained or no event file is left.

    Args:
        run: the run folder.
        best_epoch: from 0, whose weights are evaluated.
        split: on which the epoch was chosen.
    """
    lines = read_lines(run / run_files.TENSORBOARD)
    best = None if best_epoch is None else best_epoch + 1
    losses = {name: lines[tag] for name, tag in (("training", "train/loss"), (split, "val/loss")) if tag in lines}
    aurocs = {tag.removeprefix(PREFIX): line for tag, line in lines.items() if tag.startswith(PREFIX)}
    rates = {tag: line for tag, line in lines.items() if tag.startswith("lr-")}
    charts = [
        ("Loss", "loss", losses),
        (f"AUROC on the {split} split, a line an observation", "AUROC", aurocs),
        ("Learning rate", "learning rate", rates),
    ]
    return [
        TrainingCurve(title, plot_lines(own, up, f"{title} by epoch", best, f"train-{number}"))
        for number, (title, up, own) in enumerate(charts)
        if own
    ]


def read_lines(folder: Path) -> dict[str, Line]:
    """Read scalars by tag, over epochs; empty without event files."""
    if not any(folder.glob("events*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # takes half a second

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it logs each file that it opens, and each resumed run
    events = EventAccumulator(str(folder), size_guidance=BOUNDS)
    events.Reload()
    wanted = [tag for tag in events.Tags()["scalars"] if tag.startswith(("train/", "val/", "lr-"))]
    found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in wanted}
    ends = sorted({step for step, _ in found.get("val/loss", [])})
    per_epoch = (ends[-1] + 1) / len(ends) if ends else 1.0
    return {tag: _line(points, per_epoch) for tag, points in found.items()}


def plot_lines(lines: Mapping[str, Line], up: str, title: str, best: int | None, key: str) -> Markup:
    """Plot lines over epochs, with a legend if they are few, and mark the evaluated epoch."""

    def paint(axes: Axes) -> None:
        colors = SERIES if len(lines) <= FEW else (OTHER,)
        looks = zip(cycle(colors), cycle(("-", "--", ":")), strict=False)
        for (name, (epochs, values)), (color, style) in zip(lines.items(), looks, strict=False):
            marker = "o" if len(epochs) <= 12 else None
            axes.plot(
                epochs,
                values,
                style,
                color=color,
                marker=marker,
                markersize=4,
                markeredgewidth=0,
                label=show_text(name),
            )
        if best is not None:
            axes.axvline(best, color=INK, alpha=2 * FAINT, linewidth=1, linestyle=(0, (4, 3)), label="evaluated")
        axes.set(xlabel="epochs", ylabel=up)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter("{x:.4g}")
        axes.grid(axis="y", color=INK, alpha=FAINT / 2, linewidth=0.6)
        if len(lines) <= FEW:
            axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)

    return plot_svg(key, title, SIZE, paint)


def _line(points: list[tuple[int, float]], per_epoch: float) -> Line:
    """At most ``MOST`` points, the last one among them; what is not finite is left out."""
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    steps, values = np.array(finite, "float64").reshape(-1, 2).T
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST)).round().astype(int))
    return (steps[kept] + 1) / per_epoch, values[kept]
