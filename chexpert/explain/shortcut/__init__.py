"""Does a model read what it should not: a device, a marker, the edge of the film?"""

from chexpert.explain.shortcut.case import Case, find_suspects, read_cases
from chexpert.explain.shortcut.mass import GEOMETRY
from chexpert.explain.shortcut.picture import draw_films
from chexpert.explain.shortcut.search import Evidence, Search

__all__ = ["GEOMETRY", "Case", "Evidence", "Search", "draw_films", "find_suspects", "read_cases"]
