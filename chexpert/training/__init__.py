"""Fitting a model: steps, losses, progress, and the figures that a run leaves behind."""

from chexpert.training.loss import MaskedBCE
from chexpert.training.module import MultilabelModule, start_scheduler
from chexpert.training.precision import choose_precision, native_precision
from chexpert.training.progress import make_progress
from chexpert.training.results import ResultsWriter

__all__ = [
    "MaskedBCE",
    "MultilabelModule",
    "ResultsWriter",
    "choose_precision",
    "make_progress",
    "native_precision",
    "start_scheduler",
]
