"""Panels with titles and color bars in rows, laid out in inches: exact, and faster than a layout engine that tries."""

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

POINTS, LINE = 9, 0.17  # of the text; inches that a line of it takes
EDGE = 0.12  # inches around and between panels
THICK, NUMBERS = 0.1, 0.22  # inches of a bar, and of the numbers below it
GROUND = "0.45"  # behind a color bar: colors that let the image through look on it as they do on an image


@dataclass(frozen=True)
class Bar:
    """A scale of colors from ``low`` to ``high``, in a raw unit that ``text`` names."""

    colors: Colormap
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Panel:
    """A picture of ``width`` x ``height`` inches with a title above it and, where wanted, its scale below."""

    width: float
    height: float
    title: str
    plot: Callable[[Axes], object]
    bar: Bar | None = None

    @property
    def above(self) -> list[str]:
        """The lines of the title."""
        return wrap(self.title, self.width)

    @property
    def below(self) -> float:
        """Inches that the scale takes."""
        return THICK + NUMBERS + LINE * len(wrap(self.bar.text, self.width)) + EDGE if self.bar else 0


class Page(Figure):
    """A matplotlib Figure that Jupyter shows; others it shows only once pyplot is imported."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def lay_out_page(head: str, rows: Sequence[Sequence[Panel]]) -> Figure:
    """Lay out a page of these rows of panels below a head."""
    width = max(sum(panel.width + EDGE for panel in row) for row in rows) + EDGE
    lines = wrap(head, width - 2 * EDGE)
    tops = [max(len(panel.above) for panel in row) * LINE + EDGE for row in rows]
    heights = [max(panel.height + panel.below for panel in row) for row in rows]
    page = Page(figsize=(width, LINE * len(lines) + sum(tops) + sum(heights) + 3 * EDGE), dpi=100)
    _write(page, EDGE, EDGE, lines, weight="bold")
    y = 2 * EDGE + LINE * len(lines)
    for row, top, height in zip(rows, tops, heights, strict=True):
        x = EDGE
        for panel in row:
            _write(page, x, y + top - LINE * len(panel.above) - 0.03, panel.above)
            panel.plot(_add_axes(page, x, y + top, panel.width, panel.height))
            if panel.bar:
                _show_bar(page, x, y + top + panel.height + 0.06, panel.width, panel.bar)
            x += panel.width + EDGE
        y += top + height
    return page


def wrap(text: str, inches: float) -> list[str]:
    """Split a text into lines of so many inches; a name that is longer than a line is broken."""
    return [line for part in text.split("\n") for line in textwrap.wrap(part, max(8, int(inches * 14)))]


def _write(page: Figure, x: float, y: float, lines: Sequence[str], weight: str = "normal") -> None:
    width, height = page.get_size_inches()
    for number, line in enumerate(lines):
        page.text(x / width, 1 - (y + number * LINE) / height, line, va="top", fontsize=POINTS, weight=weight)


def _add_axes(page: Figure, x: float, y: float, width: float, height: float) -> Axes:
    whole, tall = page.get_size_inches()
    axis = page.add_axes((x / whole, 1 - (y + height) / tall, width / whole, height / tall))
    axis.set_axis_off()
    return axis


def _show_bar(page: Figure, x: float, y: float, width: float, bar: Bar) -> None:
    axis = _add_axes(page, x, y, width, THICK)
    axis.set_axis_on()
    axis.set_facecolor(GROUND)
    axis.imshow(np.linspace(0, 1, 256)[None], cmap=bar.colors, extent=(0, 1, 0, 1), aspect="auto")
    values = (bar.low, (bar.low + bar.high) / 2, bar.high)
    axis.set_yticks([])
    axis.set_xticks((0, 0.5, 1), [f"{value:+.2g}" if value else "0" for value in values], fontsize=POINTS - 2)
    low, _, high = axis.get_xticklabels()  # kept inside the bar
    low.set_horizontalalignment("left")
    high.set_horizontalalignment("right")
    axis.tick_params(length=2, pad=2)
    _write(page, x, y + THICK + NUMBERS, wrap(bar.text, width))
