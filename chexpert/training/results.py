"""The figures and predictions of the best weights, written after fitting."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.trainer.states import TrainerFn

from chexpert import rundir
from chexpert.metrics import auroc_mean
from chexpert.training.module import MultilabelModule


class ResultsWriter(pl.Callback):
    """Writes metrics.json, predictions, PR curves and hparams, once, after the final validation.

    It acts on the validation that is not part of a fit; that one judges the best weights.

    Args:
        run: the run folder.
        hparams: flat settings for TensorBoard's hparams page.
        valid: write predictions/valid.csv too.
    """

    def __init__(self, run: Path, hparams: dict[str, Any], valid: bool = True) -> None:
        self.run, self.hparams, self.valid = run, hparams, valid
        self.started = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.VALIDATING or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, MultilabelModule)
        probabilities, labels, mask = (rows.cpu() for rows in pl_module.auroc.rows())
        if self.valid:
            rundir.write_predictions(
                rundir.predictions(self.run, "valid"),
                pl_module.observations,
                zip(pl_module.paths, probabilities.tolist(), strict=True),
            )
        judged = summarise(pl_module)
        metrics = {
            "valid": judged,
            "best_epoch": best_epoch(trainer),
            "seconds": round(time.monotonic() - self.started, 1),
            "skipped": sorted(getattr(trainer.datamodule, "skipped", [])),  # type: ignore[attr-defined]
        }
        rundir.write_json(self.run / rundir.METRICS, metrics)
        if isinstance(trainer.logger, TensorBoardLogger):
            writer = trainer.logger.experiment
            for c, name in enumerate(pl_module.observations):
                rows = mask[:, c]
                if rows.any():
                    writer.add_pr_curve(f"valid/{name}", labels[rows, c], probabilities[rows, c], trainer.global_step)
            trainer.logger.log_hyperparams(self.hparams, {"hparams/auroc_mean": judged["auroc_mean"]})


def summarise(module: MultilabelModule) -> dict[str, Any]:
    """The AUROC of the last validation with its support, as metrics.json holds it."""
    mean, over = auroc_mean(module.judged, module.mean_over)
    return {
        "n": len(module.paths),
        "auroc": {name: auroc._asdict() for name, auroc in module.judged.items()},
        "auroc_mean": mean,
        "auroc_mean_over": over,
    }


def best_epoch(trainer: pl.Trainer) -> int | None:
    """The epoch, from 0, whose weights are judged; None where nothing was trained."""
    checkpoint = trainer.checkpoint_callback
    path = getattr(checkpoint, "best_model_path", "")
    if not path:
        return None
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["epoch"])
