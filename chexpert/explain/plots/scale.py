"""One scale of colors for what is to be compared."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from scipy.ndimage import uniform_filter

from chexpert.explain.geometry import mean_side
from chexpert.explain.plots.page import Bar
from chexpert.metrics.localization.map_colors import color_evidence

LEAST = 0.02
"""A map whose greatest positive value is below this share of its scale shows no positive evidence."""

SPOT, OPAQUE = 1 / 32, 0.8


def make_colors() -> ListedColormap:
    """Return the colors of a signed map; their number is even, so that none is that of 0."""
    return ListedColormap(color_evidence(np.linspace(-1, 1, 510), OPAQUE), name="evidence")


def make_fading_colors() -> ListedColormap:
    """Return the colors of a map without a sign: the further from 0, the more opaque."""
    colors = colormaps["viridis"](np.linspace(0, 1, 256))
    colors[:, 3] = OPAQUE * np.linspace(0, 1, 256) ** 0.8
    return ListedColormap(colors, name="disagreement")


COLORS, DISAGREEMENT = make_colors(), make_fading_colors()


@dataclass(frozen=True)
class Scale:
    """The raw value that has the full color, of either sign; what is beyond it has the same."""

    limit: float

    @classmethod
    def of(cls, maps: Iterable[np.ndarray]) -> "Scale":
        """Return the scale of signed maps: their greatest magnitude, averaged over a square of ``SPOT`` of the side.

        Without the average single pixels of a speckled map (integrated gradients) would leave nothing else to be seen.
        """
        return cls(max((_greatest(np.abs(signed)) for signed in maps), default=0.0))

    def shares(self, signed: np.ndarray) -> np.ndarray:
        """Return a raw map in [-1, 1]."""
        return np.clip(signed / self.limit, -1, 1) if self.limit > 0 else np.zeros_like(signed)

    def bar(self, unit: str) -> Bar:
        """Return the color bar of this scale."""
        return Bar(COLORS, -self.limit, self.limit, unit)

    def is_silent(self, signed: np.ndarray) -> bool:
        """Return whether nothing speaks for the observation; the rest would be noise if it was stretched."""
        return not float(signed.max()) > LEAST * self.limit


def _greatest(magnitude: np.ndarray) -> float:
    return float(uniform_filter(magnitude.astype("float64"), max(1, round(SPOT * mean_side(magnitude.shape)))).max())
