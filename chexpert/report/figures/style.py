"""The style of plots: Okabe and Ito's colors, which differ without color vision too, and few lines."""

from matplotlib.axes import Axes

from chexpert.observations import STATES

COLORS = dict(zip(STATES, ("#D55E00", "#F0C442", "#0072B2", "#DDDDDD"), strict=True))
SPLITS = {"train": "#0072B2", "valid": "#D55E00", "test": "#009E73"}
SEXES = {"Female": "#CC79A7", "Male": "#0072B2"}
PLAIN, OTHER = "#0072B2", "#999999"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Of a few lines beside each other; a page may show them lighter on a dark ground."""
DPI = 120


def strip(axes: Axes, *sides: str) -> None:
    """Remove the ticks, and the frame's lines at these sides."""
    axes.spines[list(sides)].set_visible(False)
    axes.tick_params(length=0)
