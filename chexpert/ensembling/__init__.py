"""Ensembles of checkpoints and of files of predictions."""

from chexpert.ensembling.ensemble import Ensemble, describe_ensemble, ensemble
from chexpert.ensembling.members import read_lists

__all__ = ["Ensemble", "describe_ensemble", "ensemble", "read_lists"]
