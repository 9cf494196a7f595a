"""A finished run's probabilities for any films: in batches, resumed where it was stopped, one bad film at a time."""

from chexpert.predicting.predict import Outcome, predict

__all__ = ["Outcome", "predict"]
