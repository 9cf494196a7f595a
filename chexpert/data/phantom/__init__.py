"""The phantom: a synthetic CheXpert, the project's default data. A score on it says nothing about patients.

One radiograph is painted from its address and findings alone (`images.radiograph`); `tables.cohort` says who
is on it and what they have (`disease`) and what a labeler read (`labeler`); the `writer` lays it out as any copy of
CheXpert (`layouts`, `tables`, `plus`, `masks`), with faults if wanted (`defects`). `Options` say what can be asked for.
"""

from chexpert.data.phantom.locate import find_phantom
from chexpert.data.phantom.options import Options
from chexpert.data.phantom.writer import write_phantom

__all__ = ["Options", "find_phantom", "write_phantom"]
