"""The metrics and predictions of the best weights, written after fitting."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from chexpert.checkpoints.callbacks import BestCheckpoint
from chexpert.runs import files as run_files
from chexpert.training.module import MultilabelModule
from chexpert.training.validation import Validation

KEPT = ("labels", "labels_by", "synthetic")
"""What metrics.json has of the source of a split."""


class ResultsWriter(pl.Callback):
    """Writes metrics.json and predictions/<split>.csv, as the best weights evaluate each split.

    It acts on the validations that are not part of a fit.

    Args:
        run: the run folder.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.started = time.monotonic()
        self.metrics: dict[str, Any] = {}
        """The content of metrics.json so far."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.VALIDATING or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, MultilabelModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        split = data.evaluated_split
        seen = pl_module.validation
        scores = zip(seen.paths, seen.scores.rows()[0].tolist(), strict=True)
        run_files.write_predictions(run_files.predictions(self.run, split), seen.observations, scores)
        data.write_labels(run_files.labels(self.run, split), split, seen.paths)
        summary = summarize(seen) | {key: data.sources[split][key] for key in KEPT if key in data.sources[split]}
        epoch = find_best(trainer).best_epoch
        self.metrics |= {
            split: summary,
            "epoch_chosen_on": None if epoch is None else data.selection_split,
            "best_epoch": epoch,
            "seconds": round(time.monotonic() - self.started, 1),
            "skipped": sorted(data.skipped),
        }
        run_files.write_json(self.run / run_files.METRICS, self.metrics)


def summarize(validation: Validation) -> dict[str, Any]:
    """Return the AUROC with its support, as metrics.json holds it."""
    mean, over = validation.find_mean()
    return {
        "level": validation.level,
        "n": len(validation.labeled[0]),
        "auroc": {name: auroc._asdict() for name, auroc in validation.auroc.items()},
        "auroc_mean": mean,
        "auroc_mean_over": over,
    }


def find_best(trainer: pl.Trainer) -> BestCheckpoint:
    """Return the callback that saves the best weights; there may be others of its kind, and before it."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next(callback for callback in callbacks if type(callback) is BestCheckpoint)
