"""Figures of an evaluation as pictures as large as a card of TensorBoard."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chexpert.evaluation import Calibration, Judged, describe_level, read_run
from chexpert.report.figures.forest import REST, ROW, Row, paint_forest
from chexpert.report.figures.reliability import AFTER, BEFORE, paint_diagram, tell_before_and_after
from chexpert.report.html.groups import list_groups, list_rows
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import WORDS

DPI, WIDTH = 100, 4.2  # dots an inch, inches: about as wide as a card, for TensorBoard shrinks by leaving dots out
PANEL = 1.6  # inches of a reliability diagram
ACROSS = 3  # of them in a row


def draw_figures(folder: Path, split: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Tags and figures of a split: AUROCs and groups with intervals, reliability diagrams.

    TensorBoard sorts capitals first: the figures of all splits stand before the scalars ``auroc/dev/Edema``.

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
    yield f"auroc/Intervals/{split}", draw_rows(rows, f"AUROC, 95 % interval\n{where}")
    if content["groups"]:
        across = f"mean AUROC over {len(mean['over'])}, 95 % interval; gray: small\n{where}"
        yield f"groups/Intervals/{split}", draw_rows(list_rows(content, list_groups(content)), across)
    if content["calibration"]:
        fitted = folder / run_files.CALIBRATION
        calibration = Calibration.read(fitted) if content.get("calibrated") and fitted.is_file() else None
        judged = read_run(folder, split, content["level"], content["views"] or "max")
        if np.isfinite(judged.labels).any():
            yield f"calibration/Reliability/{split}", draw_reliability(judged, calibration, where)


def draw_rows(rows: Sequence[Row], across: str) -> Figure:
    """Figures with intervals beneath each other."""
    figure = Figure(figsize=(WIDTH, ROW * len(rows) + REST + 0.2), dpi=DPI, layout="constrained")
    paint_forest(figure.subplots(), rows, across)
    return figure


def draw_reliability(judged: Judged, calibration: Calibration | None, where: str) -> Figure:
    """A diagram an observation."""
    names = [name for name in judged.observations if len(judged.column(name)[0])]
    across = min(ACROSS, len(names))
    down = -(-len(names) // across)
    figure = Figure(figsize=(PANEL * across, PANEL * down + 0.3), dpi=DPI, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        scores, labels, _ = judged.column(name)
        paint_diagram(axes, tell_before_and_after(scores, name, judged.level, calibration), labels)
        axes.set(title=name, xlabel="", ylabel="")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel(f"probability told; {where}", fontsize=9)
    figure.supylabel("share of positives", fontsize=9)
    colours = {"scores as they are": BEFORE} | ({"calibrated": AFTER} if calibration else {})
    lines = [Line2D([], [], color=colour, label=label) for label, colour in colours.items()]
    figure.legend(handles=lines, loc="outside upper center", ncols=2, fontsize=8)
    return figure
