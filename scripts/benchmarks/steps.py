"""What bench_step.py and bench_gpu.py time: training by this project, by bare Lightning, and by a plain loop."""

import io
import logging
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import TensorBoardLogger
from rounds import Timed, read_clock

from chexpert.checkpoints import BestCheckpoint, LastCheckpoint
from chexpert.data import Batch
from chexpert.engine.tensorboard import TensorBoardWriter
from chexpert.models import Model
from chexpert.observations import COMPETITION
from chexpert.signals import Stopper
from chexpert.training import BestValidation, MaskedBCE, MultilabelModule, Resources, ResultsWriter, make_progress

WARM = 2  # steps that are not counted
CLOCK = "wall"


class Clock(pl.Callback):
    """Seconds of all steps of the last epoch but the first few."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, number: int) -> None:
        if number == WARM:
            self.started = now()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = now() - self.started


def now() -> float:
    """Seconds, once the device has done all that it was asked for."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return read_clock(CLOCK)


class Bare(pl.LightningModule):
    """The least that Lightning asks for."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.loss = model, MaskedBCE()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self.loss(self.model.training_logits(batch.images), batch.targets, batch.mask)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), fused=True)


def run_plain(model: Model, batches: Iterable[Batch], *, bf16: bool, fused: bool = True) -> Timed:
    """The loop that anybody writes, with a loss that is looked at, and logged every tenth step."""
    optimizer, loss_of, losses = torch.optim.AdamW(model.parameters(), fused=fused), MaskedBCE(), list[float]()
    model.train()
    for number, batch in enumerate(batches):
        if number == WARM:
            started = now()
        optimizer.zero_grad()
        with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=bf16):
            logits = model.training_logits(batch.images)
        loss = loss_of(logits, batch.targets, batch.mask)
        loss.backward()
        optimizer.step()
        if number % 10 == 9:
            losses.append(loss.item())
    return Timed(now() - started)


def run_bare(model: Model, loader: Iterable[Batch], **trainer: Any) -> Timed:
    """Lightning with nothing beside it."""
    clock = Clock()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return fit(Bare(model), loader, [clock], clock, **quiet, **trainer)


def run_project(model: Model, loader: Any, *, compiled: bool = False, **trainer: Any) -> Timed:
    """This project's module with all that a run has beside it, logging as a run does."""
    clock, run = Clock(), Path(tempfile.mkdtemp(prefix="bench"))
    validation, metric = BestValidation(run), ("val/auroc_mean", "max")
    best = BestCheckpoint(run, *metric, on_saved=validation.write)
    kept: list[pl.Callback] = [Resources(), validation, best, ResultsWriter(run), TensorBoardWriter({})]
    kept += [LastCheckpoint(run / "last.ckpt", Stopper())]
    logger, constant = TensorBoardLogger(run, name="", version=""), torch.optim.lr_scheduler.ConstantLR
    names = list(COMPETITION)
    module = MultilabelModule(model, names, names, MaskedBCE(), torch.optim.AdamW, constant, {}, compiled=compiled)
    callbacks: list[pl.Callback] = [clock, *make_progress(), LearningRateMonitor(), *kept]
    return fit(module, loader, callbacks, clock, logger=logger, log_every_n_steps=10, **trainer)


def fit(module: pl.LightningModule, loader: Any, callbacks: list[pl.Callback], clock: Clock, **options: Any) -> Timed:
    """Seconds of the steps of the last epoch."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    options = {"max_epochs": 1, "devices": 1, "enable_model_summary": False, "num_sanity_val_steps": 0} | options
    with redirect_stdout(io.StringIO()):
        pl.Trainer(callbacks=callbacks, **options).fit(module, loader)
    return Timed(clock.seconds)
