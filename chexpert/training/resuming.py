"""A run that stops anywhere goes on as if it had not: last.ckpt, with the place and the random states in it."""

import random
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping
from pytorch_lightning.trainer.states import TrainerFn

from chexpert.data import Start
from chexpert.stopping import Stopped, Stopper
from chexpert.training.keeping import BestCheckpoint

RESUME = "resume"
"""Where a checkpoint holds what Lightning leaves out."""

KEPT = {"state_dict", "epoch", "global_step", "pytorch-lightning_version"}
"""What of Lightning's own stays in a checkpoint from which no training goes on."""


class LastCheckpoint(Checkpoint):
    """Writes last.ckpt after each epoch, every so many minutes, and when the run is stopped or fails between steps.

    Lightning saves no random state and does not go on exactly where an epoch was left. It is to stand last among the
    callbacks, whose state is then as the next step finds it.

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
        self._validated = False
        """Whether the last step was followed by a validation within the epoch."""
        self._resumed: Mapping[str, Any] | None = None

    # What a run leaves

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stopper.deferring = True
        self._saved = time.monotonic()
        if self._resumed is not None:
            step_plateaus(trainer, self._resumed["plateau"])
            self._restore_random(trainer, self._resumed)  # and again before the next step, if there is one

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Here the step before has been logged: a run stops now rather than at its end."""
        if self._stops(trainer):
            if self._place == "between":
                self.save(trainer)
            raise Stopped(self.stopper.requested or signal.SIGTERM)
        self._place = "step"
        if self._resumed is not None:
            self._restore_random(trainer, self._resumed)
            self._resumed = None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate():
            return  # gradients that are gathered are in no checkpoint
        assert trainer.fit_loop._data_fetcher is not None
        self._place = "validation" if loop._should_check_val_fx(trainer.fit_loop._data_fetcher) else "between"
        self._validated = False
        due = time.monotonic() - self._saved > 60 * self.minutes
        if agree(trainer, due, every=50):
            self.save(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if self._place == "validation" and self._stops(trainer):
            self.save(trainer)
            raise Stopped(self.stopper.requested or signal.SIGTERM)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        ended = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        self._place, self._validated = "" if ended or self._place != "validation" else "between", True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._place = "epoch"
        self.save(trainer)
        trainer.fit_loop._restarting = False  # or the epoch in which a run goes on would not step a plateau at its end
        if self._stops(trainer, every=1):
            raise Stopped(self.stopper.requested or signal.SIGTERM)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._place, self.stopper.deferring = "", False

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """What was trained until now is kept, unless it was already or a step was under way."""
        self.stopper.deferring = False
        alone = trainer.world_size == 1  # of several processes the others may not have come to this
        if alone and self._place in ("between", "validation") and not isinstance(exception, Stopped):
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Writes last.ckpt of where training is."""
        place, self._place = self._place, ""  # where this fails it is not tried again
        self._saving = place
        trainer.save_checkpoint(self.path)
        self._place, self._saving, self._saved = place, "", time.monotonic()

    _saving = ""

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        if not self._saving:  # one of the best, from which no run goes on: a third of the size without the rest
            for key in checkpoint.keys() - KEPT:
                del checkpoint[key]
            return
        loops = checkpoint["loops"]["fit_loop"]
        done = loops["epoch_loop.batch_progress"]["current"]["processed"]
        ended = self._saving == "epoch"
        settle(loops, to_validate=self._saving == "validation", validated=self._validated and not ended)
        checkpoint[RESUME] = {
            "epoch": trainer.current_epoch + ended,
            "batches": 0 if ended else done,
            "steps": trainer.global_step,
            "random": gather(trainer, collect_random()),
            "plateau": find_plateau_figures(trainer) if ended else [],
            "threads": torch.get_num_threads(),
        }

    # What a run takes up

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            return
        self._resumed = checkpoint[RESUME]
        trainer.datamodule.start = Start(self._resumed["epoch"], self._resumed["batches"])  # type: ignore[attr-defined]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._resumed is None:
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, EarlyStopping) and callback.stopped_epoch:
                trainer.should_stop = True
            if isinstance(callback, BestCheckpoint):
                callback.forget_overtaken()

    def _restore_random(self, trainer: pl.Trainer, resumed: Mapping[str, Any]) -> None:
        """Each process its own state; where there are more of them than before, they have only their seed."""
        if trainer.global_rank < len(resumed["random"]):
            restore_random(resumed["random"][trainer.global_rank])

    def _stops(self, trainer: pl.Trainer, every: int = 10) -> bool:
        """Whether the run is to stop now: all of its processes, if a signal came to one of them."""
        return agree(trainer, self.stopper.requested is not None, every)


def agree(trainer: pl.Trainer, wanted: bool, every: int) -> bool:
    """Whether one of the processes wants something, asked every so many batches, since they wait for each other."""
    if trainer.world_size == 1:
        return wanted
    if trainer.fit_loop.epoch_loop.batch_idx % every:
        return False
    votes = torch.tensor(float(wanted), device=trainer.strategy.root_device)
    torch.distributed.all_reduce(votes)
    return bool(votes)


def settle(loops: dict[str, Any], *, to_validate: bool, validated: bool) -> None:
    """Turns the progress of Lightning's loops into: so many steps are done, and the next validation is to come or not.

    A save within the hooks of a step finds it half counted, and Lightning would then leave out the rest of the epoch.

    Args:
        loops: the state of the fit loop, changed in place.
        to_validate: the validation behind the last step is to be run from its first batch.
        validated: it has been run, within the epoch. Lightning passes it over then, and counts the step once more.
    """
    trained, steps = loops["epoch_loop.batch_progress"], loops["epoch_loop.state_dict"]
    if not to_validate and trained["total"]["completed"] < trained["total"]["processed"]:
        steps["_batches_that_stepped"] += 1  # a validation counts the step when it is over
    steps["_batches_that_stepped"] -= validated
    for count in ("total", "current"):
        trained[count] |= dict.fromkeys(("ready", "started", "completed"), trained[count]["processed"])
    judged = loops["epoch_loop.val_loop.batch_progress"]
    if to_validate:  # begun and not done
        judged["current"] |= {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    judged["total"] = dict(judged["current"])


def find_plateau_figures(trainer: pl.Trainer) -> list[float | None]:
    """What each plateau scheduler will be stepped with at the end of this epoch."""
    plateaus = [config for config in trainer.lr_scheduler_configs if config.reduce_on_plateau]
    figures = [trainer.callback_metrics.get(str(config.monitor)) for config in plateaus]
    return [None if figure is None else float(figure) for figure in figures]


def step_plateaus(trainer: pl.Trainer, figures: Sequence[float | None]) -> None:
    """The step of the epoch that was ended: Lightning takes it behind the last place where a checkpoint is saved."""
    plateaus: list[Any] = [config.scheduler for config in trainer.lr_scheduler_configs if config.reduce_on_plateau]
    for scheduler, figure in zip(plateaus, figures, strict=False):
        if figure is not None:
            scheduler.step(figure)


def gather(trainer: pl.Trainer, states: dict[str, Any]) -> list[dict[str, Any]]:
    """The states of all processes by rank."""
    if trainer.world_size == 1:
        return [states]
    gathered: list[dict[str, Any]] = [{} for _ in range(trainer.world_size)]
    torch.distributed.all_gather_object(gathered, states)
    return gathered


def collect_random() -> dict[str, Any]:
    """The random states of this process as plain containers."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state, whoever uses it
    return {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random(states: Mapping[str, Any]) -> None:
    """Undoes :func:`collect_random`; a device that was not there keeps its own state."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(states["numpy"]))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])
