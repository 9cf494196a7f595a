"""Progress without a terminal: one plain line an epoch, for log files."""

import sys
import time

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar

FIGURES = {"train/loss": "train/loss (last batch)", "val/loss": "val/loss", "val/auroc_mean": "val/auroc_mean"}


def make_progress() -> pl.Callback:
    """A rich bar on a terminal, plain lines otherwise."""
    return RichProgressBar() if sys.stdout.isatty() else PlainProgress()


class PlainProgress(ProgressBar):
    """Prints epoch, seconds, losses and mean AUROC after each epoch."""

    def disable(self) -> None:
        """Lightning calls this on other ranks than the first."""
        self._silent = True

    def __init__(self) -> None:
        super().__init__()
        self._silent = False
        self._started = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._silent:
            return
        figures = [
            f"{name} {float(trainer.callback_metrics[key]):.4f}"
            for key, name in FIGURES.items()
            if key in trainer.callback_metrics
        ]
        seconds = time.monotonic() - self._started
        print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {seconds:.0f} s  " + "  ".join(figures),
            flush=True,
        )
