"""Attribution maps as pictures that can be read without the program: what, how sure, by which method, on what scale."""

from chexpert.explain.plots.picture import plot_picture
from chexpert.explain.plots.sheet import find_scale, plot_explainer_sheet, plot_view_sheet

__all__ = ["find_scale", "plot_explainer_sheet", "plot_picture", "plot_view_sheet"]
