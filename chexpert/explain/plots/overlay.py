"""Plots of a panel: the image, evidence over it, and the outline of the finding."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from chexpert.explain.explanation import Explanation
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.plots.scale import COLORS, DISAGREEMENT, Scale
from chexpert.explain.regions import Box

OUTLINE = "#ffe119"
BOXED = "#39ff14"
SILENT = "no positive evidence"
BEHIND: dict[str, Any] = {"facecolor": "black", "alpha": 0.7, "edgecolor": "none", "pad": 2}


def legend(explanations: Iterable[Explanation], *, boxed: bool = False) -> str:
    """Describe the colors over these images."""
    outlined = any(explanation.mask is not None for explanation in explanations)
    parts = ["red speaks for the observation, blue against it"]
    parts += ["yellow outlines the finding"] * outlined + ["green boxes hold what is above the threshold"] * boxed
    return "; ".join(parts)


def plot_image(canvas: Canvas, mask: np.ndarray | None = None) -> Callable[[Axes], None]:
    """Return a function that plots the image, and the border of the finding where a mask is given."""

    def plot(axis: Axes) -> None:
        axis.imshow(canvas.image, cmap="gray", vmin=0, vmax=255)
        for line in canvas.outline(mask) if mask is not None else []:
            (border,) = axis.plot(*line.T, color=OUTLINE, linewidth=1.1, scalex=False, scaley=False)
            border.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black", alpha=0.6)])

    return plot


@dataclass(frozen=True)
class Evidence:
    """A map over its image.

    Attributes:
        canvas: the image.
        signed: (H, W) raw map in model coordinates.
        scale: of its colors.
        mask: where the finding was outlined.
        spread: it has no sign, but is the standard deviation over members.
        boxes: in pixels of the image's file, plotted over the map.
    """

    canvas: Canvas
    signed: np.ndarray
    scale: Scale
    mask: np.ndarray | None = None
    spread: bool = False
    boxes: Sequence[Box] = ()

    def plot(self, axis: Axes) -> None:
        """Plot the evidence; where there is none for the observation, say so."""
        plot_image(self.canvas, self.mask)(axis)
        shares = self.canvas.place(self.scale.shares(self.signed))
        colors, low = (DISAGREEMENT, 0) if self.spread else (COLORS, -1)
        axis.imshow(shares, cmap=colors, vmin=low, vmax=1, interpolation="nearest", zorder=1)
        for box in self.boxes:
            x0, y0, x1, y1 = self.canvas.reduce(box)
            axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=BOXED, linewidth=1.3, zorder=2))
        if not self.spread and self.scale.is_silent(self.signed):
            style: dict[str, Any] = {"color": "white", "fontsize": 8, "bbox": BEHIND}
            axis.text(0.5, 0.03, SILENT, style, transform=axis.transAxes, ha="center", va="bottom")
