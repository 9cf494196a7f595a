"""Averages of the weights over training: validated, kept and used in place of the last weights."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging

from chexpert.errors import UserError


class Averaging(WeightAveraging):
    """Lightning's averaged copy of all weights and statistics, fixed where its own would mislead.

    What is evaluated while fitting, and what every checkpoint holds as its weights, is the average; until something was
    averaged, the weights as they are. A checkpoint holds both, so that a resumed run continues exactly. Statistics of
    batch normalization are averaged as the weights are, and not computed anew.

    Args:
        share: by how much the average moves towards the weights, given how many it holds.
    """

    def __init__(self, share: Callable[[int], float]) -> None:
        def update(averages: list[torch.Tensor], weights: list[torch.Tensor], count: torch.Tensor) -> None:
            if averages[0].is_floating_point():  # they come by their type
                torch._foreach_lerp_(averages, weights, share(int(count)))
            else:  # on counters torch's own SWA fails
                torch._foreach_copy_(averages, weights)

        super().__init__(multi_avg_fn=update)
        self._swapped = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            super().setup(trainer, pl_module, stage)
        else:
            self._average_model = None  # or a validation of the best weights would evaluate the last average

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert self._average_model is not None
        self._average_model.to(pl_module.device)  # it was made before the module was moved to its device

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._follow(pl_module)
        super().on_validation_epoch_start(trainer, pl_module)
        self._swapped = self._average_model is not None

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_validation_epoch_end(trainer, pl_module)
        self._swapped = False

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._follow(pl_module)
        super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        if self._average_model is None:
            return
        self._follow(pl_module)
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._swapped:  # saved in the midst of a validation
            keys = "state_dict", "current_model_state"
            checkpoint.update(zip(keys, [checkpoint[key] for key in reversed(keys)], strict=True))

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        if self._average_model is not None:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def _follow(self, pl_module: pl.LightningModule) -> None:
        """While nothing is averaged, the average is the weights as they are."""
        if self._average_model is not None and not int(self._average_model.n_averaged):
            self._average_model.module.load_state_dict(pl_module.state_dict())


class EMA(Averaging):
    """Exponential moving average of the weights after each step.

    Args:
        decay: what the average keeps of itself in a step; in the first n steps no more than (1 + n) / (10 + n), or it
            would long remember the first weights (as TensorFlow's and timm's averages have it).
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__(lambda count: 1 - min(decay, (1 + count) / (10 + count)))

    @staticmethod
    def validate_args(decay: Any = 0.999) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        if isinstance(decay, bool) or not isinstance(decay, int | float) or not 0 <= decay < 1:
            hint = "a number from 0 to below 1"
            return [UserError(f"{decay!r} is not possible", code="value", where="averaging.decay", hint=hint)]
        return []


class SWA(Averaging):
    """Stochastic weight averaging (Izmailov et al. 2018, arxiv.org/abs/1803.05407): the mean over ends of epochs.

    It wants a learning rate that stays up: scheduler=constant, or step.

    Args:
        start_epoch: the first epoch, from 0, whose last weights are averaged.
    """

    def __init__(self, start_epoch: int) -> None:
        super().__init__(lambda count: 1 / (count + 1))
        self.start_epoch = start_epoch
        self._due = False

    @staticmethod
    def validate_args(start_epoch: Any) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        if isinstance(start_epoch, bool) or not isinstance(start_epoch, int) or start_epoch < 0:
            hint = "an epoch, from 0"
            return [
                UserError(f"{start_epoch!r} is not possible", code="value", where="averaging.start_epoch", hint=hint)
            ]
        return []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *batch: Any) -> None:
        """Update at the last batch of an epoch: its end comes after the validation that evaluates the average."""
        self._due = trainer.is_last_batch and trainer.current_epoch >= self.start_epoch
        super().on_train_batch_end(trainer, pl_module, *batch)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None and self._due
