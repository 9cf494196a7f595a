"""Stops a training whose loss is no number, without making a device wait for the answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from chexpert.errors import UserError

HINT = "lower optimizer.lr, set trainer.gradient_clip_val, or take trainer.precision=32-true"


class Step(NamedTuple):
    """Which step a loss is of."""

    epoch: int
    step: int
    batch: int
    """Of the epoch."""
    paths: Sequence[str]
    """Views in the batch."""


class LossWatch:
    """Looks at every loss. On a CPU at once; on a device while it computes the next step.

    The value of a step is on its way to the host while the step's gradients are computed, and is read after the next
    forward pass was asked for. So the device always has work, the host is one step ahead at most, and a training
    stops one step late: nobody may save weights before :meth:`check_pending`.
    """

    def __init__(self) -> None:
        self.value = float("nan")
        """The last loss that was looked at."""
        self._pending: tuple[Callable[[], float], Step] | None = None

    def see(self, loss: torch.Tensor, step: Step) -> None:
        """Check the loss of this step, or on a device the loss before it.

        Raises:
            UserError: it, or on a device the one before it, is NaN or infinite.
        """
        self.check_pending()
        self._pending = fetch(loss.detach()), step
        if not self._waits(loss):
            self.check_pending()

    def check_pending(self) -> None:
        """Wait for the last loss, and check it.

        Raises:
            UserError: it is NaN or infinite.
        """
        if self._pending is None:
            return
        (read, step), self._pending = self._pending, None
        self.value = value = read()
        if not abs(value) < float("inf"):
            raise UserError(
                f"the loss is {value} at epoch {step.epoch}, step {step.step}",
                code="nan",
                where=f"training batch {step.batch}, with " + ", ".join(step.paths),
                hint=HINT,
            )

    def _waits(self, loss: torch.Tensor) -> bool:
        return loss.device.type != "cpu"


def fetch(value: torch.Tensor) -> Callable[[], float]:
    """Send a scalar to the host, and return a function that waits for it and for nothing requested later."""
    if value.device.type != "cuda":
        return lambda: float(value)
    landed = torch.empty_like(value, device="cpu", pin_memory=True).copy_(value, non_blocking=True)
    sent = torch.cuda.Event()
    sent.record()

    def read() -> float:
        sent.synchronize()
        return float(landed)

    return read


def check_weights(weights: Mapping[str, torch.Tensor], where: str) -> None:
    """Check that all weights are finite; a device is waited for once.

    Raises:
        UserError: with the names of such weights.
    """
    real = {name: weight for name, weight in weights.items() if weight.is_floating_point()}
    if not real or torch.stack([weight.isfinite().all() for weight in real.values()]).all():
        return
    wrong = [name for name, weight in real.items() if not weight.isfinite().all()]
    names = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    raise UserError(f"weights are NaN or infinite: {names}", code="nan", where=where, hint=HINT)
