"""The state of Lightning's loops, rewritten so that they continue from there."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch


def restate(loops: dict[str, Any], *, to_validate: bool, validated: bool) -> None:
    """Set the progress of Lightning's loops: the steps that are done, and whether a validation is still to come.

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
    labeled = loops["epoch_loop.val_loop.batch_progress"]
    if to_validate:  # begun and not done
        labeled["current"] |= {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    labeled["total"] = dict(labeled["current"])


def find_plateau_values(trainer: pl.Trainer) -> list[float | None]:
    """Return the value with which each plateau scheduler will step at the end of this epoch."""
    plateaus = [config for config in trainer.lr_scheduler_configs if config.reduce_on_plateau]
    values = [trainer.callback_metrics.get(str(config.monitor)) for config in plateaus]
    return [None if value is None else float(value) for value in values]


def show_metrics(trainer: pl.Trainer, metrics: Mapping[str, float]) -> None:
    """Show callbacks the metrics that were logged last: Lightning keeps them in no checkpoint."""
    shown = trainer._logger_connector._callback_metrics
    shown.update({name: torch.tensor(value) for name, value in metrics.items()})


def step_plateaus(trainer: pl.Trainer, values: Sequence[float | None]) -> None:
    """Step the schedulers for the ended epoch: Lightning steps them after the last place where it saves."""
    plateaus: list[Any] = [config.scheduler for config in trainer.lr_scheduler_configs if config.reduce_on_plateau]
    for scheduler, value in zip(plateaus, values, strict=False):
        if value is not None:
            scheduler.step(value)
