"""Forest plots: metrics with their intervals beneath each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from chexpert.report.figures.style import OTHER, PLAIN
from chexpert.report.figures.svg import FAINT, INK, plot_svg, show_text

WIDTH, ROW, REST = 4.8, 0.235, 0.55  # inches: of the chart, of a row, and of what stands below them
LONGEST = 30  # letters of a name


@dataclass(frozen=True)
class Row:
    """A metric by name; ``muted`` ones are gray; a headline has no metric."""

    name: str
    metric: dict[str, Any] | None
    muted: bool = False


def plot_forest(rows: Sequence[Row], across: str, title: str, key: str, middle: float = 0.5) -> Markup:
    """Plot one line a row: the value as a dot, its interval as a bar; the vertical line is chance.

    Args:
        rows: from top to bottom.
        across: the label of the axis.
        title: what is shown, for those who do not see it.
        key: of the SVG's ids.
        middle: the place of the vertical line.
    """
    size = (WIDTH, ROW * len(rows) + REST)
    return plot_svg(key, title, size, lambda axes: paint_forest(axes, rows, across, middle))


def paint_forest(axes: Axes, rows: Sequence[Row], across: str, middle: float = 0.5) -> None:
    """Plot the forest of :func:`plot_forest` on given axes."""
    places = np.arange(len(rows))
    axes.axvline(middle, color=INK, alpha=2 * FAINT, linewidth=1, linestyle=(0, (4, 3)))
    for place, row in zip(places, rows, strict=True):
        if row.metric and row.metric["value"] is not None:
            color = OTHER if row.muted else PLAIN
            ends = [row.metric[end] for end in ("ci_low", "ci_high")]
            if None not in ends:
                axes.plot(ends, [place, place], color=color, linewidth=2, solid_capstyle="round")
            axes.plot(row.metric["value"], place, "o", color=color, markersize=5.5, markeredgewidth=0)
    axes.set_yticks(places, [shorten_name(row.name) for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_alpha(0.6 if row.muted else 1)
        tick.set_fontweight("bold" if row.metric is None else "normal")
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=across)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=INK, alpha=FAINT / 2, linewidth=0.6)


def shorten_name(name: str) -> str:
    """Shorten a name so that the chart has space."""
    text = show_text(name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
