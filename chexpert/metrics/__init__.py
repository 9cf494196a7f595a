"""Figures that judge a model: functions of arrays, with thin shells for Lightning."""

from chexpert.metrics.agreement import spearman
from chexpert.metrics.auroc import Auroc, MultilabelAuroc, auroc_mean, multilabel_auroc
from chexpert.metrics.faithfulness import Faithfulness, curve_area, judge_curves
from chexpert.metrics.operating_point import youden_threshold, youden_thresholds
from chexpert.metrics.segmentations import Segmentations
from chexpert.metrics.study import find_study, reduce_to_studies

__all__ = [
    "Auroc",
    "Faithfulness",
    "MultilabelAuroc",
    "Segmentations",
    "auroc_mean",
    "curve_area",
    "find_study",
    "judge_curves",
    "multilabel_auroc",
    "reduce_to_studies",
    "spearman",
    "youden_threshold",
    "youden_thresholds",
]
