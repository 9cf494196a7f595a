"""The optimizer of the AUC-margin loss."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class PESG(Optimizer):
    """Proximal epoch stochastic gradient (Yuan et al. 2021, arxiv.org/abs/2012.03173, algorithm 1), as LibAUC has it.

    Descends w by the direction d = clip(gradient) + epoch_decay (w - w_ref) + weight_decay w, averaged over steps by
    v = (1 - momentum) v + momentum d. A parameter group with ``maximize`` is ascended by its plain gradient and
    projected to 0 or more: the dual variables.

    The reference w_ref is the weights that a stage started from, then the mean of the weights over the stage before.
    A stage ends where the learning rate falls to one half or less from one step to the next, as StepLR lets it: there
    LibAUC's users call ``update_regularizer``. LibAUC's own first reference is noise of deviation 0.01 about 0, while
    its documentation and the paper have the first weights, as here.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        momentum: weight of the new direction in (0, 1]; 1 takes it as it is.
        weight_decay: towards 0.
        epoch_decay: towards the reference.
        clip_value: bound of each entry of the gradient.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 1e-5,
        epoch_decay: float = 2e-3,
        clip_value: float = 1.0,
    ) -> None:
        for name, value in {"lr": lr, "weight_decay": weight_decay, "epoch_decay": epoch_decay}.items():
            if value < 0:
                raise ValueError(f"{name} is {value}, not 0 or more")
        if not 0 < momentum <= 1 or clip_value <= 0:
            raise ValueError(f"momentum {momentum} is not in (0, 1], or clip_value {clip_value} not above 0")
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "epoch_decay": epoch_decay}
        super().__init__(params, settings | {"clip_value": clip_value, "maximize": False, "stage_lr": None})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, last = float(group["lr"]), group["stage_lr"]
            ends, group["stage_lr"] = last is not None and 0 < lr <= last / 2, lr
            for weights in group["params"]:
                if ends and self.state[weights]:
                    _end_stage(self.state[weights])
                if weights.grad is None:
                    continue
                if group["maximize"]:
                    weights.add_(weights.grad, alpha=lr).clamp_(min=0)
                else:
                    self._descend(weights, group, lr)
        return loss

    def _descend(self, weights: torch.Tensor, group: dict[str, Any], lr: float) -> None:
        state = self.state[weights]
        if not state:
            state |= {"reference": weights.clone(), "sum": torch.zeros_like(weights), "steps": 0}
        direction = weights.grad.clamp(-group["clip_value"], group["clip_value"])  # type: ignore[union-attr]
        direction.add_(weights - state["reference"], alpha=group["epoch_decay"])
        direction.add_(weights, alpha=group["weight_decay"])
        if "momentum_buffer" in state:
            direction = state["momentum_buffer"].lerp_(direction, group["momentum"])
        else:
            state["momentum_buffer"] = direction
        weights.sub_(direction, alpha=lr)
        state["sum"].add_(weights)
        state["steps"] += 1


def _end_stage(state: dict[str, Any]) -> None:
    """The mean of the weights over the stage becomes the reference of the next."""
    if state["steps"]:
        state["reference"].copy_(state["sum"] / state["steps"])
        state["sum"].zero_()
        state["steps"] = 0
