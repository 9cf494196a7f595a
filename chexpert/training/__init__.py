"""Fitting a model: steps, losses, progress, and the figures that a run leaves behind."""

from chexpert.training.auc_margin import AUCMarginLoss
from chexpert.training.averaging import EMA, SWA
from chexpert.training.focal import AsymmetricLoss, FocalLoss
from chexpert.training.groups import start_optimizer
from chexpert.training.loss import MaskedBCE, count_targets
from chexpert.training.module import MultilabelModule
from chexpert.training.pesg import PESG
from chexpert.training.precision import choose_precision, find_device, native_precision
from chexpert.training.progress import make_progress
from chexpert.training.results import ResultsWriter
from chexpert.training.schedules import OneCycle, WarmupCosine, start_scheduler
from chexpert.training.weighted import WeightedBCE

__all__ = [
    "EMA",
    "PESG",
    "SWA",
    "AUCMarginLoss",
    "AsymmetricLoss",
    "FocalLoss",
    "MaskedBCE",
    "MultilabelModule",
    "OneCycle",
    "ResultsWriter",
    "WarmupCosine",
    "WeightedBCE",
    "choose_precision",
    "count_targets",
    "find_device",
    "make_progress",
    "native_precision",
    "start_optimizer",
    "start_scheduler",
]
