"""Does a model read what it should not: a device, a marker, the edge of the film?"""

from chexpert.explain.shortcuts.case import Case, find_suspects, read_cases
from chexpert.explain.shortcuts.mass import GEOMETRY
from chexpert.explain.shortcuts.picture import draw_films
from chexpert.explain.shortcuts.search import Evidence, Search

__all__ = ["GEOMETRY", "Case", "Evidence", "Search", "draw_films", "find_suspects", "read_cases"]
