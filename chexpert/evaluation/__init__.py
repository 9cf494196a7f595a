"""Compute metrics with intervals from files of predictions and labels; neither a model nor torch is needed."""

from chexpert.evaluation.calibration import Calibration, evaluate_calibrated
from chexpert.evaluation.compare import compare
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.evaluate import Points, check_disjoint, choose_operating_points, evaluate, evaluate_files
from chexpert.evaluation.evaluation_settings import SETTINGS, describe_setting, evaluate_settings, take_settings
from chexpert.evaluation.join import LabeledScores, describe_level, join_labels, read_labeled_scores, read_run
from chexpert.evaluation.prediction_sets import PredictionSets
from chexpert.evaluation.predictions import Named, read_labels, read_predictions, to_studies
from chexpert.evaluation.published_setting import describe_published
from chexpert.evaluation.reproduce import Reproduction, reproduce
from chexpert.evaluation.seed_spread import find_tie, gather_configurations
from chexpert.evaluation.set_coverage import evaluate_sets
from chexpert.evaluation.thresholds import Thresholds

__all__ = [
    "SETTINGS",
    "Calibration",
    "LabeledScores",
    "Named",
    "Points",
    "PredictionSets",
    "Reproduction",
    "Thresholds",
    "check_disjoint",
    "choose_operating_points",
    "compare",
    "describe_level",
    "describe_published",
    "describe_setting",
    "evaluate",
    "evaluate_calibrated",
    "evaluate_files",
    "evaluate_sets",
    "evaluate_settings",
    "find_tie",
    "gather_configurations",
    "join_labels",
    "read_labeled_scores",
    "read_labels",
    "read_predictions",
    "read_run",
    "reproduce",
    "strip_copy",
    "take_settings",
    "to_studies",
]
