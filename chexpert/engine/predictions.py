"""Predictions of the best weights beside those of the evaluation: of the training views, and over several views."""

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from chexpert.data import CheXpertDataModule, make_transforms
from chexpert.runs import files as run_files
from chexpert.training import MultilabelModule


def write_predictions(
    trainer: pl.Trainer,
    module: MultilabelModule,
    data: CheXpertDataModule,
    weights: str | None,
    folder: Path,
    split: str = "train",
    name: str = "train",
) -> None:
    """Write the predictions of the views of a split to predictions/<name>.csv."""
    data.predicted_split = split
    batches = trainer.predict(module, datamodule=data, ckpt_path=weights, weights_only=True)
    rows = gather_predictions(trainer, batches or [])
    if trainer.is_global_zero:
        run_files.write_predictions(run_files.predictions(folder, name), module.observations, rows)


def predict_tta(
    trainer: pl.Trainer,
    module: MultilabelModule,
    data: CheXpertDataModule,
    weights: str | None,
    folder: Path,
    cfg: Mapping[str, Any],
) -> None:
    """Write the predictions with test-time augmentation of the splits whose metrics are published."""
    assert data.augmentation is not None  # or the settings contradict each other
    module.transforms = make_transforms(cfg["tta"], data.augmentation, data.preprocessing.size, cfg["seed"])
    before, trainer.limit_predict_batches = trainer.limit_predict_batches, trainer.limit_val_batches  # the same views
    for split in data.reported:
        if split != "dev":
            write_predictions(trainer, module, data, weights, folder, split, run_files.name_tta(split))
    module.transforms, trainer.limit_predict_batches = None, before


def gather_predictions(trainer: pl.Trainer, batches: Iterable[Any]) -> list[tuple[str, list[float]]]:
    """Return (path, probabilities) of the views of all processes, in the order of the data set."""
    shares: list[Any] = [list(chain.from_iterable(batches))]
    if trainer.world_size > 1:
        shares = [None] * trainer.world_size
        torch.distributed.all_gather_object(shares, list(chain.from_iterable(batches)))
    return [(path, values) for _, path, values in sorted(chain.from_iterable(shares))]
