"""Fits a model with all that a run wants beside it, judges the best weights, and leaves the figures."""

import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor
from pytorch_lightning.loggers import TensorBoardLogger

from chexpert import rundir
from chexpert.announce import MONITOR, find_undefined, find_warnings, introduce
from chexpert.build import build, build_module, explaining
from chexpert.conclude import conclude
from chexpert.dashboard import show_evaluation
from chexpert.data import CheXpertDataModule
from chexpert.identity import is_private
from chexpert.models import Model
from chexpert.stopping import Stopper
from chexpert.training import (
    RESUME,
    BestCheckpoint,
    LastCheckpoint,
    ResultsWriter,
    WholeCheckpointIO,
    keep_best,
    make_progress,
)  # fmt: skip


def fit(
    cfg: dict[str, Any], model: Model, data: CheXpertDataModule, folder: Path, stopper: Stopper, last: Path | None
) -> float:
    """Fits, judges the best weights and explains, with all that is left in ``folder``."""
    module = build_module(cfg, model, data.preprocessing)
    undefined = find_undefined(data, cfg["mean_over"])
    # An undefined mean has no best epoch: the loss then chooses.
    monitor, mode = ("val/loss", "min") if len(undefined) == len(cfg["mean_over"]) else (MONITOR, "max")
    checkpoint = BestCheckpoint(folder, monitor, mode)
    further = [] if cfg["keep"] == 1 else [keep_best(folder, cfg["keep"], monitor, mode)]
    patience = cfg["early_stopping"]
    stopping = [] if patience is None else [EarlyStopping(monitor, mode=mode, patience=patience)]
    hparams = flatten({key: cfg[key] for key in cfg if key != "backbone"})  # the model has it
    results = ResultsWriter(folder, hparams)
    trainer = build(
        cfg["trainer"],
        "trainer",
        callbacks=[
            *make_progress(),
            LearningRateMonitor(),
            *stopping,
            checkpoint,
            *further,
            results,
            explaining(cfg, folder),
            LastCheckpoint(rundir.checkpoint(folder, rundir.LAST), stopper, cfg["save_minutes"]),
        ],
        logger=make_logger(folder, last),
        plugins=[WholeCheckpointIO()],
    )
    ignore_signals(trainer)
    OmegaConf.save(OmegaConf.create(cfg), folder / rundir.CONFIG)
    rundir.write_json(folder / rundir.DATA, data.summarise())
    print(introduce(model, data, trainer, folder), flush=True)
    for warning in find_warnings(data, undefined, monitor):
        print(f"warning: {warning}", file=sys.stderr)
    if "train" in data.datasets:
        trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
    best = checkpoint.best_model_path or None
    judge(trainer, module, data, best)
    if cfg["predict_train"]:
        batches = trainer.predict(module, datamodule=data, ckpt_path=best, weights_only=True) or []
        rows = chain.from_iterable(batches)
        rundir.write_predictions(rundir.predictions(folder, "train"), cfg["observations"], rows)
    results.metrics["skipped"] = sorted(data.skipped)  # again: by now it is known what cannot be read
    rundir.write_json(folder / rundir.METRICS, results.metrics)
    rundir.write_json(folder / rundir.DATA, data.summarise())
    conclude(folder, cfg)
    show_evaluation(folder)
    return results.metrics[data.choosing or "valid"]["auroc_mean"]


def make_logger(folder: Path, last: Path | None) -> TensorBoardLogger:
    """TensorBoard's files; what was logged beyond the place where a run goes on is logged again."""
    step = last and torch.load(last, map_location="cpu", weights_only=True, mmap=True)[RESUME]["steps"]
    return TensorBoardLogger(folder, name=rundir.TENSORBOARD, version="", default_hp_metric=False, purge_step=step)


def ignore_signals(trainer: pl.Trainer) -> None:
    """Keeps Lightning's handlers out: they end a run with exit code 0 and no checkpoint, and requeue on their own."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]


def judge(trainer: pl.Trainer, module: pl.LightningModule, data: CheXpertDataModule, best: str | None) -> None:
    """Judges the best weights, or where nothing was trained those that the module has, on every split."""
    for split in data.reported:
        data.judging = split
        trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False, weights_only=True)


def flatten(cfg: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted key, for TensorBoard's hparams; a node is known by the name of its class.

    >>> flatten({"optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}, "data": {"root": "DOE"},
    ...     "seed": 0})
    {'optimizer': 'AdamW', 'optimizer.lr': 0.1, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in cfg.items():
        if key == "_target_":
            flat[prefix.removesuffix(".")] = str(value).rpartition(".")[2]
        elif isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        elif key != "_partial_" and not is_private(f"{prefix}{key}", value):  # what names files is not for TensorBoard
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
