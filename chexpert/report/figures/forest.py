"""Figures with their intervals beneath each other, to be compared at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from chexpert.report.figures.style import OTHER, PLAIN
from chexpert.report.figures.svg import FAINT, INK, draw, show_text

WIDTH, ROW, REST = 4.8, 0.235, 0.55  # inches: of the chart, of a row, and of what stands below them
LONGEST = 30  # letters of a name


@dataclass(frozen=True)
class Row:
    """A figure by name; ``quiet`` ones stand back, a headline has no figure."""

    name: str
    figure: dict[str, Any] | None
    quiet: bool = False


def draw_forest(rows: Sequence[Row], across: str, title: str, key: str, middle: float = 0.5) -> Markup:
    """One line a row: the value as a dot, its interval as a bar; the vertical line is chance.

    Args:
        rows: from top to bottom.
        across: what the figure is.
        title: what is shown, for those who do not see it.
        key: of the SVG's ids.
        middle: where the line is drawn.
    """

    size = (WIDTH, ROW * len(rows) + REST)
    return draw(key, title, size, lambda axes: paint_forest(axes, rows, across, middle))


def paint_forest(axes: Axes, rows: Sequence[Row], across: str, middle: float = 0.5) -> None:
    """What :func:`draw_forest` draws, on any axes."""
    places = np.arange(len(rows))
    axes.axvline(middle, color=INK, alpha=2 * FAINT, linewidth=1, linestyle=(0, (4, 3)))
    for place, row in zip(places, rows, strict=True):
        if row.figure and row.figure["value"] is not None:
            colour = OTHER if row.quiet else PLAIN
            ends = [row.figure[end] for end in ("ci_low", "ci_high")]
            if None not in ends:
                axes.plot(ends, [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot(row.figure["value"], place, "o", color=colour, markersize=5.5, markeredgewidth=0)
    axes.set_yticks(places, [shorten(row.name) for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_alpha(0.6 if row.quiet else 1)
        tick.set_fontweight("bold" if row.figure is None else "normal")
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=across)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=INK, alpha=FAINT / 2, linewidth=0.6)


def shorten(name: str) -> str:
    """A name that leaves room for the chart."""
    text = show_text(name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
