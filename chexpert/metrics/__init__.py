"""Figures that judge a model: functions of arrays, with thin shells for Lightning."""

from chexpert.metrics.auroc import Auroc, MultilabelAuroc, auroc_mean, multilabel_auroc

__all__ = ["Auroc", "MultilabelAuroc", "auroc_mean", "multilabel_auroc"]
