"""Learning rates over the steps of a whole training, from each parameter group's own rate."""

import inspect
from collections.abc import Callable
from math import cos, pi
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau

from chexpert.errors import UserError


class OneCycle(OneCycleLR):
    """torch's one-cycle policy (Smith and Topin 2019, arxiv.org/abs/1708.07120), up to each group's own rate.

    torch's own takes its peaks from elsewhere and would give all groups one rate.

    Args:
        optimizer: its rates are the peaks.
        total_steps: optimizer steps of the training.
        pct_start: share of them on the way up.
        div_factor: the peak over the first rate.
        final_div_factor: the first rate over the last.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        peaks = [float(group["lr"]) for group in optimizer.param_groups]
        super().__init__(
            optimizer, peaks, total_steps, pct_start=pct_start, div_factor=div_factor, final_div_factor=final_div_factor
        )


class WarmupCosine(LambdaLR):
    """Linearly up to each group's own rate, then along half a cosine down (Loshchilov and Hutter 2017, 1608.03983).

    Args:
        optimizer: its rates are the peaks.
        total_steps: optimizer steps of the training.
        warmup: share of them on the way up, from 0 to below 1; the first of w steps has 1/w of the peak.
        final_factor: the last rate over the peak.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup: float = 0.05, final_factor: float = 0.0) -> None:
        up = round(warmup * total_steps)

        def factor(step: int) -> float:
            if step < up:
                return (step + 1) / up
            done = min(1.0, (step - up) / max(1, total_steps - 1 - up))
            return final_factor + (1 - final_factor) * (1 + cos(pi * done)) / 2

        super().__init__(optimizer, factor)

    @staticmethod
    def validate_args(warmup: Any = 0.05, final_factor: Any = 0.0) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        return [
            UserError(f"{value!r} is not possible", code="value", where=f"scheduler.{name}", hint=hint)
            for name, value, hint, top in (
                ("warmup", warmup, "a share of the steps, 0 to below 1", 1),
                ("final_factor", final_factor, "a share of the peak, 0 to below 1", 1),
            )
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < top
        ]


def start_scheduler(
    constructor: Callable[..., Any], optimizer: Optimizer, total_steps: Callable[[], int]
) -> tuple[Any, str]:
    """Build the scheduler, and return it with the interval at which it is stepped.

    Args:
        constructor: takes the optimizer and returns a scheduler; takes ``total_steps`` too if its signature has it.
        optimizer: its rates are the ones that change.
        total_steps: returns the number of optimizer steps of the training; called only if the constructor takes it.

    Returns:
        The scheduler, and ``step`` if it takes ``total_steps``, otherwise ``epoch``.

    Raises:
        UserError: the scheduler is a ``ReduceLROnPlateau`` that does not maximize val/auroc_mean.
    """
    if "total_steps" in inspect.signature(constructor).parameters:
        return constructor(optimizer, total_steps=total_steps()), "step"
    scheduler = constructor(optimizer)
    if isinstance(scheduler, ReduceLROnPlateau) and scheduler.mode != "max":
        message = "the plateau is one of val/auroc_mean, of which more is better"
        raise UserError(message, code="conflict", where="scheduler.mode", hint="scheduler.mode=max")
    return scheduler, "epoch"
