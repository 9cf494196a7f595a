"""The Python API: train a run, open one, and use its model, each in a line."""

import warnings

from chexpert.api.run import Run, open_run
from chexpert.api.training import train

# tqdm's, of every notebook without ipywidgets; libraries import tqdm, and no bar of it is shown
warnings.filterwarnings("ignore", message="IProgress not found")

__all__ = ["Run", "open_run", "train"]
