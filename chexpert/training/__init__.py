"""Fitting a model: steps, losses, progress, and the figures that a run leaves behind."""

from chexpert.training.keeping import BestCheckpoint, keep_best
from chexpert.training.loss import MaskedBCE
from chexpert.training.module import MultilabelModule, start_scheduler
from chexpert.training.precision import choose_precision, find_device, native_precision
from chexpert.training.progress import make_progress
from chexpert.training.results import ResultsWriter
from chexpert.training.resuming import RESUME, LastCheckpoint
from chexpert.training.storing import WholeCheckpointIO, clean

__all__ = [
    "RESUME",
    "BestCheckpoint",
    "LastCheckpoint",
    "MaskedBCE",
    "MultilabelModule",
    "ResultsWriter",
    "WholeCheckpointIO",
    "choose_precision",
    "clean",
    "find_device",
    "keep_best",
    "make_progress",
    "native_precision",
    "start_scheduler",
]
