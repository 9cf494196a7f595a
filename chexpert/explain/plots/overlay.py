"""What is drawn into a panel: the film, evidence over it, and the outline of the finding."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from chexpert.explain.explanation import Explanation
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.plots.scale import COLOURS, DISAGREEMENT, Scale

OUTLINE = "#ffe119"
SILENT = "no positive evidence"
BEHIND: dict[str, Any] = {"facecolor": "black", "alpha": 0.7, "edgecolor": "none", "pad": 2}


def legend(explanations: Iterable[Explanation]) -> str:
    """What the colours over these films mean."""
    outlined = any(explanation.mask is not None for explanation in explanations)
    return "red speaks for the observation, blue against it" + ("; yellow outlines the finding" if outlined else "")


def draw_film(canvas: Canvas, mask: np.ndarray | None = None) -> Callable[[Axes], None]:
    """Draws the film, and the border of the finding where a mask is given."""

    def draw(axis: Axes) -> None:
        axis.imshow(canvas.film, cmap="gray", vmin=0, vmax=255)
        for line in canvas.outline(mask) if mask is not None else []:
            (drawn,) = axis.plot(*line.T, color=OUTLINE, linewidth=1.1, scalex=False, scaley=False)
            drawn.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black", alpha=0.6)])

    return draw


@dataclass(frozen=True)
class Evidence:
    """A map over its film.

    Attributes:
        canvas: the film.
        signed: (S, S) raw map in model coordinates.
        scale: of its colours.
        mask: where the finding was outlined.
        spread: it has no sign, but is the standard deviation over members.
    """

    canvas: Canvas
    signed: np.ndarray
    scale: Scale
    mask: np.ndarray | None = None
    spread: bool = False

    def draw(self, axis: Axes) -> None:
        """Draws it; where nothing speaks for the observation it says so."""
        draw_film(self.canvas, self.mask)(axis)
        shares = self.canvas.place(self.scale.shares(self.signed))
        colours, low = (DISAGREEMENT, 0) if self.spread else (COLOURS, -1)
        axis.imshow(shares, cmap=colours, vmin=low, vmax=1, interpolation="nearest", zorder=1)
        if not self.spread and self.scale.is_silent(self.signed):
            style: dict[str, Any] = {"color": "white", "fontsize": 8, "bbox": BEHIND}
            axis.text(0.5, 0.03, SILENT, style, transform=axis.transAxes, ha="center", va="bottom")
