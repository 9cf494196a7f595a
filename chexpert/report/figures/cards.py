"""Plots of an evaluation, each as large as a card of TensorBoard."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chexpert.evaluation import Calibration, LabeledScores, describe_level, read_run
from chexpert.report.figures.forest import REST, ROW, Row, paint_forest
from chexpert.report.figures.reliability import AFTER, BEFORE, describe_before_and_after, paint_diagram
from chexpert.report.html.groups import list_groups, list_rows
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import WORDS

DPI, WIDTH = 100, 4.2  # dots an inch, inches: about as wide as a card, for TensorBoard shrinks by leaving dots out
PANEL = 1.6  # inches of a reliability diagram
ACROSS = 3  # of them in a row


def plot_metrics(folder: Path, split: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Yield tags and plots of a split: AUROCs and groups with intervals, reliability diagrams.

    TensorBoard sorts capitals first: the plots of all splits stand before the scalars ``auroc/dev/Edema``.

    Args:
        folder: of the run.
        split: which.
        content: its evaluation.
    """
    where = f"{split} split, {describe_level(content)}, n = {content['n']:,}"
    where += f", {WORDS}" if content.get("synthetic") else ""
    mean, aurocs = content["auroc_mean"], content["auroc"]
    rows = [Row(f"mean of {len(mean['over'])}", mean)]
    rows += [
        Row(name, aurocs[name], aurocs[name].get("small", False))
        for name in sorted(aurocs, key=lambda name: name not in mean["over"])
    ]
    yield f"auroc/Intervals/{split}", plot_rows(rows, f"AUROC, 95 % interval\n{where}")
    if content["groups"]:
        across = f"mean AUROC over {len(mean['over'])}, 95 % interval; gray: small\n{where}"
        yield f"groups/Intervals/{split}", plot_rows(list_rows(content, list_groups(content)), across)
    if content["calibration"]:
        fitted = folder / run_files.CALIBRATION
        calibration = Calibration.read(fitted) if content.get("calibrated") and fitted.is_file() else None
        labeled = read_run(folder, split, content["level"], content["views"] or "max")
        if np.isfinite(labeled.labels).any():
            yield f"calibration/Reliability/{split}", plot_reliability_card(labeled, calibration, where)


def plot_rows(rows: Sequence[Row], across: str) -> Figure:
    """Plot metrics with intervals beneath each other."""
    canvas = Figure(figsize=(WIDTH, ROW * len(rows) + REST + 0.2), dpi=DPI, layout="constrained")
    paint_forest(canvas.subplots(), rows, across)
    return canvas


def plot_reliability_card(labeled: LabeledScores, calibration: Calibration | None, where: str) -> Figure:
    """Plot a reliability diagram for each observation."""
    names = [name for name in labeled.observations if len(labeled.column(name)[0])]
    across = min(ACROSS, len(names))
    down = -(-len(names) // across)
    canvas = Figure(figsize=(PANEL * across, PANEL * down + 0.3), dpi=DPI, layout="constrained")
    panels = canvas.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        scores, labels, _ = labeled.column(name)
        paint_diagram(axes, describe_before_and_after(scores, name, labeled.level, calibration), labels)
        axes.set(title=name, xlabel="", ylabel="")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    canvas.supxlabel(f"predicted probability; {where}", fontsize=9)
    canvas.supylabel("share of positives", fontsize=9)
    colors = {"scores as they are": BEFORE} | ({"calibrated": AFTER} if calibration else {})
    lines = [Line2D([], [], color=color, label=label) for label, color in colors.items()]
    canvas.legend(handles=lines, loc="outside upper center", ncols=2, fontsize=8)
    return canvas
