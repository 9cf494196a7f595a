"""The trackers of a run: TensorBoard, CSV, Weights & Biases and MLflow, by the group ``logger`` of the config."""

from chexpert.engine.trackers.base import TrackedRun, Tracker
from chexpert.engine.trackers.local import Csv, TensorBoard
from chexpert.engine.trackers.mlflow import MLflow
from chexpert.engine.trackers.wandb import Wandb

__all__ = ["Csv", "MLflow", "TensorBoard", "TrackedRun", "Tracker", "Wandb"]
