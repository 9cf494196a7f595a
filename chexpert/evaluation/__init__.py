"""From files of predictions and labels to figures that can be defended; no model and no torch is needed."""

from chexpert.evaluation.calibration import Calibration, judge_calibrated
from chexpert.evaluation.compare import compare
from chexpert.evaluation.evaluate import Points, check_apart, choose_operating_points, evaluate, evaluate_files
from chexpert.evaluation.join import Judged, describe_level, join, read_judged, read_run
from chexpert.evaluation.predictions import Named, read_labels, read_predictions, strip_copy, to_studies
from chexpert.evaluation.reproduce import Reproduction, reproduce

__all__ = [
    "Calibration",
    "Judged",
    "Named",
    "Points",
    "Reproduction",
    "check_apart",
    "choose_operating_points",
    "compare",
    "describe_level",
    "evaluate",
    "evaluate_files",
    "join",
    "judge_calibrated",
    "read_judged",
    "read_labels",
    "read_predictions",
    "read_run",
    "reproduce",
    "strip_copy",
    "to_studies",
]
