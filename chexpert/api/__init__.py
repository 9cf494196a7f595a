"""The Python API: train a run, open one, and use its model, each in a line."""

from chexpert.api.run import Run, open_run
from chexpert.api.training import train

__all__ = ["Run", "open_run", "train"]
