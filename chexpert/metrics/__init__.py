"""Metrics that evaluate a model: functions of arrays, without torch."""

from chexpert.metrics.auroc import Auroc, auroc, auroc_mean, multilabel_auroc
from chexpert.metrics.auroc_intervals import auroc_interval, logit_interval, mean_auroc_interval, percentile_interval
from chexpert.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_means, bootstrap_of_means
from chexpert.metrics.calibration import calibrate, expected_calibration_error, fit_calibration
from chexpert.metrics.comparison import Difference, adjust_holm, compare_aurocs
from chexpert.metrics.conformal import conformal_p_values, prediction_sets
from chexpert.metrics.faithfulness import Faithfulness, curve_area, evaluate_curves
from chexpert.metrics.localization.map_agreement import spearman
from chexpert.metrics.localization.map_files import LocalMap, find_maps, write_map
from chexpert.metrics.localization.map_scores import (
    chance,
    expected_hit,
    grid_ceiling,
    hit,
    normalize_hit,
    rank_accuracy,
    relevance_mass,
)
from chexpert.metrics.localization.overlap import iou, segment_above, segment_otsu
from chexpert.metrics.localization.segmentations import Segmentations, write_segmentations
from chexpert.metrics.operating_point import youden_threshold, youden_thresholds
from chexpert.metrics.prior_shift import adjust_prevalence, estimate_prevalence
from chexpert.metrics.study_aggregation import (
    choose_unit,
    find_patient,
    find_study,
    list_patients,
    number_studies,
    number_units,
    reduce_labels,
    reduce_scores,
    reduce_to_studies,
)

__all__ = [
    "Auroc",
    "Difference",
    "Faithfulness",
    "Interval",
    "LocalMap",
    "Segmentations",
    "adjust_holm",
    "adjust_prevalence",
    "auroc",
    "auroc_interval",
    "auroc_mean",
    "bootstrap_mean",
    "bootstrap_means",
    "bootstrap_of_means",
    "calibrate",
    "chance",
    "choose_unit",
    "compare_aurocs",
    "conformal_p_values",
    "curve_area",
    "estimate_prevalence",
    "evaluate_curves",
    "expected_calibration_error",
    "expected_hit",
    "find_maps",
    "find_patient",
    "find_study",
    "fit_calibration",
    "grid_ceiling",
    "hit",
    "iou",
    "list_patients",
    "logit_interval",
    "mean_auroc_interval",
    "multilabel_auroc",
    "normalize_hit",
    "number_studies",
    "number_units",
    "percentile_interval",
    "prediction_sets",
    "rank_accuracy",
    "reduce_labels",
    "reduce_scores",
    "reduce_to_studies",
    "relevance_mass",
    "segment_above",
    "segment_otsu",
    "spearman",
    "write_map",
    "write_segmentations",
    "youden_threshold",
    "youden_thresholds",
]
