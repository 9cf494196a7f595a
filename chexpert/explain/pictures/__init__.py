"""Attribution maps as pictures that can be read without the program: what, how sure, by which method, on what scale."""

from chexpert.explain.pictures.picture import draw_picture
from chexpert.explain.pictures.sheet import draw_explainer_sheet, draw_view_sheet, find_scale

__all__ = ["draw_explainer_sheet", "draw_picture", "draw_view_sheet", "find_scale"]
