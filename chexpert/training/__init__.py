"""Fitting a model: steps, losses, progress, and the metrics that a run writes."""

from chexpert.training.best_validation import BestValidation, make_empty_loader
from chexpert.training.distillation import Distillation
from chexpert.training.layer_rates import RateMonitor
from chexpert.training.losses.auc_margin import AUCMarginLoss
from chexpert.training.losses.focal import AsymmetricLoss, FocalLoss
from chexpert.training.losses.masked_bce import EntryLoss, MaskedBCE, count_targets
from chexpert.training.losses.weighted_bce import WeightedBCE
from chexpert.training.module import MultilabelModule
from chexpert.training.optimizers import PESG, start_optimizer
from chexpert.training.precision import choose_precision, find_device, native_precision
from chexpert.training.progress import make_progress
from chexpert.training.resources import Resources
from chexpert.training.results import ResultsWriter
from chexpert.training.schedulers import OneCycle, WarmupCosine, start_scheduler
from chexpert.training.weight_averaging import EMA, SWA

__all__ = [
    "EMA",
    "PESG",
    "SWA",
    "AUCMarginLoss",
    "AsymmetricLoss",
    "BestValidation",
    "Distillation",
    "EntryLoss",
    "FocalLoss",
    "MaskedBCE",
    "MultilabelModule",
    "OneCycle",
    "RateMonitor",
    "Resources",
    "ResultsWriter",
    "WarmupCosine",
    "WeightedBCE",
    "choose_precision",
    "count_targets",
    "find_device",
    "make_empty_loader",
    "make_progress",
    "native_precision",
    "start_optimizer",
    "start_scheduler",
]
