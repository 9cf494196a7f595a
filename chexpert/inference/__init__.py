"""What a trained model is used for: predict, explain, ensemble, search for shortcuts."""

from chexpert.inference.ensemble import Ensemble, describe_ensemble, ensemble
from chexpert.inference.members import read_lists
from chexpert.inference.predict import Outcome, predict
from chexpert.inference.progress import show_progress

__all__ = ["Ensemble", "Outcome", "describe_ensemble", "ensemble", "predict", "read_lists", "show_progress"]
