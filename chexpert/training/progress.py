"""Progress: a bar on a terminal, and one line an epoch in any case, for people and for log files."""

import sys
import time
from math import isfinite
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar

from chexpert.console import log
from chexpert.evaluation import describe_level
from chexpert.training.module import MultilabelModule


def make_progress() -> list[pl.Callback]:
    """Return the callbacks that show progress: one line for each epoch, and a rich bar on a terminal.

    Returns:
        The bar, or on no terminal a callback that shows none, and the callback that prints the lines.
    """
    return [Bar(console_kwargs={"stderr": True}) if sys.stderr.isatty() else NoBar(), EpochLines()]


def describe_epoch(trainer: pl.Trainer, module: MultilabelModule, seconds: float) -> str:
    """Describe an epoch: seconds, losses, and the mean AUROC with its interval and evaluation setting."""
    metrics = trainer.callback_metrics
    parts = [f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {seconds:.0f} s"]
    module.watch.check_pending()
    parts += [f"train/loss (last batch) {module.watch.value:.4f}"] if isfinite(module.watch.value) else []
    parts += [f"val/loss {float(metrics['val/loss']):.4f}"] if "val/loss" in metrics else []
    seen = module.validation
    if "val/auroc_mean" in metrics and seen.auroc:  # a run that resumes after a validation has not seen it
        mean, over = seen.find_interval()
        split = trainer.datamodule.selection_split  # type: ignore[attr-defined]
        kind = describe_level({"level": seen.level, "views": seen.study_score})
        rows = f"{split}, {len(seen.labeled[0])} {kind}, mean over {len(over)}"
        parts.append(f"val/auroc_mean {mean.value:.3f} [{mean.ci_low:.3f}, {mean.ci_high:.3f}] ({rows})")
    return "  ".join(parts)


class EpochLines(pl.Callback):
    """Prints a line after each epoch."""

    _started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()  # a run that resumes within an epoch has no start of it

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            assert isinstance(pl_module, MultilabelModule)
            log.info(describe_epoch(trainer, pl_module, time.monotonic() - self._started))


class Bar(RichProgressBar):
    """Shows the last loss that was looked at anyway: a logged one would stop the device at every step."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        assert isinstance(pl_module, MultilabelModule)
        return super().get_metrics(trainer, pl_module) | {"train/loss": round(pl_module.watch.value, 4)}


class NoBar(ProgressBar):
    """Stands where Lightning would put a bar of its own."""

    def disable(self) -> None:
        """Do nothing; Lightning calls this on other ranks than the first."""
