"""A run that stops anywhere resumes as if it had not: last.ckpt holds the place and the random states."""

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from pytorch_lightning.trainer.states import TrainerFn

from chexpert.checkpoints.callbacks import BestCheckpoint
from chexpert.checkpoints.loop_state import find_plateau_values, restate, show_metrics, step_plateaus
from chexpert.checkpoints.random_state import gather_random, restore_random
from chexpert.console import NOTE, log
from chexpert.data import Start
from chexpert.signals import Stopped, Stopper

RESUME = "resume"
"""Where a checkpoint holds what Lightning leaves out."""

ASKED = 10
"""Steps after which several processes ask each other, since each time they wait for one another."""

KEPT = {"state_dict", "epoch", "global_step", "pytorch-lightning_version"}
"""Lightning's own entries that stay in a checkpoint from which no training resumes."""


class LastCheckpoint(Checkpoint):
    """Writes last.ckpt after each epoch, every so many minutes, and when the run is stopped or fails between steps.

    Lightning saves no random state and does not resume exactly where an epoch was left. This callback must be the last
    one: the state of the others is then as the next step finds it.

    Args:
        path: of last.ckpt.
        stopper: whether a signal came.
        minutes: between two checkpoints within an epoch.
    """

    def __init__(self, path: Path, stopper: Stopper, minutes: float = 10) -> None:
        self.path, self.stopper, self.minutes = path, stopper, minutes
        self._saved = time.monotonic()
        self._place = ""
        """Where training is: in a "step", "between" two, in "validation", at the end of an "epoch"; "" elsewhere."""
        self._saving = ""
        """The place that is being saved."""
        self._validated = False
        """Whether the last step was followed by a validation within the epoch."""
        self._resumed: Mapping[str, Any] | None = None

    # Save a checkpoint

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stopper.deferring = True
        self._saved = time.monotonic()
        if self._resumed is not None:
            step_plateaus(trainer, self._resumed["plateau"])
            show_metrics(trainer, self._resumed["metrics"])
            self._restore_random(trainer, self._resumed)  # and again before the next step, if there is one

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Stop here if requested: the step before has been logged now, which it is not at its end."""
        if self._place != "step" and self._stops(trainer, trainer.global_step):
            if self._place == "between":
                self.save(trainer)
            self._stop()
        self._place = "step"
        if self._resumed is not None:
            self._restore_random(trainer, self._resumed)
            self._resumed = None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate():
            return  # gradients that are gathered are in no checkpoint: the step continues
        assert trainer.fit_loop._data_fetcher is not None
        self._place = "validation" if loop._should_check_val_fx(trainer.fit_loop._data_fetcher) else "between"
        self._validated = False
        due = time.monotonic() - self._saved > 60 * self.minutes
        if vote(trainer, due, trainer.global_step):
            self.save(trainer)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if self._place == "validation" and self._stops(trainer, batch_idx):
            self.save(trainer)
            self._stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._place == "validation":  # or it is the trial before training, or within a step
            ended = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
            self._place, self._validated = "" if ended else "between", True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._place = "epoch"
        self.save(trainer)
        trainer.fit_loop._restarting = False  # or the epoch in which a run resumes would not step a plateau at its end
        if self._stops(trainer, 0):
            self._stop()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._place, self.stopper.deferring = "", False
        if self._stops(trainer, 0):
            self._stop()  # a signal that came behind the last place where a run stops

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save the training until now, unless it was saved already or a step was under way."""
        self.stopper.deferring = False
        alone = trainer.world_size == 1  # of several processes the others may not have come to this
        if alone and self._place in ("between", "validation"):
            try:
                self.save(trainer)
            except Exception as error:  # the first error is the one that is raised
                log.warning(error)

    def save(self, trainer: pl.Trainer) -> None:
        """Write last.ckpt at the current place of the training."""
        place, self._place = self._place, ""  # where this fails it is not tried again
        self._saving = place
        trainer.save_checkpoint(self.path)
        self._place, self._saving, self._saved = place, "", time.monotonic()

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        if not self._saving:  # one of the best, from which no run resumes: a third of the size without the rest
            for key in checkpoint.keys() - KEPT:
                del checkpoint[key]
            return
        loops = checkpoint["loops"]["fit_loop"]
        done = loops["epoch_loop.batch_progress"]["current"]["processed"]
        ended = self._saving == "epoch"
        restate(loops, to_validate=self._saving == "validation", validated=self._validated and not ended)
        checkpoint[RESUME] = {
            "epoch": trainer.current_epoch + ended,
            "batches": 0 if ended else done,
            "steps": trainer.global_step,
            "random": gather_random(trainer),
            "plateau": find_plateau_values(trainer) if ended else [],
            "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
            "skipped": sorted(getattr(trainer.datamodule, "skipped", ())),  # type: ignore[attr-defined]
            "flagged": dict(getattr(trainer.datamodule, "flagged", {})),  # type: ignore[attr-defined]
            "threads": torch.get_num_threads(),
        }

    # Load a checkpoint

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            return
        self._resumed = checkpoint[RESUME]
        data = trainer.datamodule  # type: ignore[attr-defined]
        data.start = Start(self._resumed["epoch"], self._resumed["batches"])
        data.skipped.update(self._resumed["skipped"])
        data.flagged.update(self._resumed.get("flagged", {}))  # 0.1.0 kept none
        if (before := self._resumed["threads"]) != torch.get_num_threads() and trainer.is_global_zero:
            now = torch.get_num_threads()
            log.log(NOTE, f"{before} threads before, {now} now: weights may differ in the last digits")

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._resumed is None:
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, EarlyStopping) and callback.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
                trainer.should_stop = True
            if type(callback) is BestCheckpoint:  # the files of the kept ones name their epoch
                callback.forget_overtaken()

    def _restore_random(self, trainer: pl.Trainer, resumed: Mapping[str, Any]) -> None:
        """Each process its own state; where there are more of them than before, they have only their seed."""
        if trainer.global_rank < len(resumed["random"]):
            restore_random(resumed["random"][trainer.global_rank])

    def _stops(self, trainer: pl.Trainer, count: int) -> bool:
        """Whether the run is to stop now: all of its processes, if a signal came to one of them."""
        return vote(trainer, self.stopper.requested is not None, count)

    def _stop(self) -> NoReturn:
        self._place = ""  # saved, or there is nothing to save
        raise Stopped(self.stopper.requested or signal.SIGTERM)  # the signal may have come to another process


def vote(trainer: pl.Trainer, wanted: bool, count: int) -> bool:
    """Return whether a process wants something; several processes vote only if ``count`` is a multiple of ten."""
    if trainer.world_size == 1:
        return wanted
    if count % ASKED:
        return False
    votes = torch.tensor(float(wanted), device=trainer.strategy.root_device)
    torch.distributed.all_reduce(votes)
    return bool(votes)
