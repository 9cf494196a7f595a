"""Does a model read what it should not: a device, a marker, the edge of the image?"""

from chexpert.explain.geometry import GEOMETRY
from chexpert.explain.shortcuts.case import Case, find_suspects, read_cases
from chexpert.explain.shortcuts.picture import plot_images
from chexpert.explain.shortcuts.search import Evidence, Search

__all__ = ["GEOMETRY", "Case", "Evidence", "Search", "find_suspects", "plot_images", "read_cases"]
