"""Attribution maps as pictures that can be read without the program: what, how sure, by which method, on what scale."""

from chexpert.explain.plots.picture import draw_picture
from chexpert.explain.plots.sheet import draw_explainer_sheet, draw_view_sheet, find_scale

__all__ = ["draw_explainer_sheet", "draw_picture", "draw_view_sheet", "find_scale"]
