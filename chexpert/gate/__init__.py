"""Which images a model should not be used on: no upright frontal radiograph, or unlike its training images."""

from chexpert.gate.checked_images import CheckedPreprocessing
from chexpert.gate.feature_distance import METHODS, FeatureDistance
from chexpert.gate.fit import TooFewImagesError, fit_gate
from chexpert.gate.gate import Gate
from chexpert.gate.stored import check_weights, read_gate, write_gate
from chexpert.gate.view_check import ViewCheck

__all__ = [
    "METHODS",
    "CheckedPreprocessing",
    "FeatureDistance",
    "Gate",
    "TooFewImagesError",
    "ViewCheck",
    "check_weights",
    "fit_gate",
    "read_gate",
    "write_gate",
]
