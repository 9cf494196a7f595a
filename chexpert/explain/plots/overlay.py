"""Plots of a panel: the image, evidence over it, and the outline of the finding."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from chexpert.explain.explanation import Explanation
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.plots.scale import COLORS, DISAGREEMENT, Scale

OUTLINE = "#ffe119"
SILENT = "no positive evidence"
BEHIND: dict[str, Any] = {"facecolor": "black", "alpha": 0.7, "edgecolor": "none", "pad": 2}


def legend(explanations: Iterable[Explanation]) -> str:
    """Describe the colors over these images."""
    outlined = any(explanation.mask is not None for explanation in explanations)
    return "red speaks for the observation, blue against it" + ("; yellow outlines the finding" if outlined else "")


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
    """

    canvas: Canvas
    signed: np.ndarray
    scale: Scale
    mask: np.ndarray | None = None
    spread: bool = False

    def plot(self, axis: Axes) -> None:
        """Plot the evidence; where there is none for the observation, say so."""
        plot_image(self.canvas, self.mask)(axis)
        shares = self.canvas.place(self.scale.shares(self.signed))
        colors, low = (DISAGREEMENT, 0) if self.spread else (COLORS, -1)
        axis.imshow(shares, cmap=colors, vmin=low, vmax=1, interpolation="nearest", zorder=1)
        if not self.spread and self.scale.is_silent(self.signed):
            style: dict[str, Any] = {"color": "white", "fontsize": 8, "bbox": BEHIND}
            axis.text(0.5, 0.03, SILENT, style, transform=axis.transAxes, ha="center", va="bottom")
