"""A finished run's probabilities for any films: in batches, resumed where it was stopped, one bad film at a time."""

from chexpert.predicting.predict import Outcome, predict
from chexpert.predicting.progress import show_progress

__all__ = ["Outcome", "predict", "show_progress"]
