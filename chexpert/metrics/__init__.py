"""Figures that judge a model: functions of arrays, with thin shells for Lightning."""

from chexpert.metrics.auroc import Auroc, MultilabelAuroc, auroc_mean, multilabel_auroc
from chexpert.metrics.segmentations import Segmentations
from chexpert.metrics.study import find_study, reduce_to_studies

__all__ = [
    "Auroc",
    "MultilabelAuroc",
    "Segmentations",
    "auroc_mean",
    "find_study",
    "multilabel_auroc",
    "reduce_to_studies",
]
