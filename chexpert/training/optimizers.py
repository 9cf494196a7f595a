"""The optimizer of the AUC-margin loss."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from chexpert.errors import UserError
from chexpert.training.layer_rates import Layer


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
        """Make one step; parameters without a gradient stay as they are."""
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


DEVICES = ("cuda", "cpu")
"""Where torch has fused kernels and they were found faster: on a CPU 2.4 to 4.6 times for Adam, 1.6 for SGD."""


def fuse(
    constructor: Callable[..., torch.optim.Optimizer], device: str, precision: str
) -> Callable[..., torch.optim.Optimizer]:
    """Return the constructor with ``fused=True`` if it takes that, nothing else is set, and device and precision allow.

    A fused step works on memory as it lies: a weight, its gradient and its state must have the same strides, as
    autograd, ``zeros_like`` and ``torch.save`` see to.

    Args:
        constructor: of an optimizer; a ``partial`` where its settings are given.
        device: type of the weights' device.
        precision: of the trainer. With a loss scale (``16-mixed``) Lightning could not clip gradients.
    """
    given = constructor.keywords if isinstance(constructor, partial) else {}
    choices = ("fused", "foreach", "capturable", "differentiable")
    possible = "fused" in inspect.signature(constructor).parameters and device in DEVICES and precision != "16-mixed"
    if not possible or any(given.get(name) is not None for name in choices):
        return constructor

    def make(parameters: Iterable[Any], **settings: Any) -> torch.optim.Optimizer:
        return constructor(parameters, fused=True, **settings)

    return make


def start_optimizer(
    constructor: Callable[..., torch.optim.Optimizer],
    backbones: Sequence[nn.Parameter],
    others: Sequence[nn.Parameter],
    duals: Sequence[nn.Parameter] = (),
    backbone_lr_factor: float = 1.0,
    layers: Sequence[Layer] = (),
) -> torch.optim.Optimizer:
    """Build the optimizer of these parameters, in one group if they share one learning rate.

    Args:
        constructor: takes groups of parameters and returns an optimizer.
        backbones: parameters that learn at ``backbone_lr_factor`` times the rate of the others.
        others: parameters of classifiers and of the loss.
        duals: variables of the loss that are to be ascended; they form a group with ``maximize``.
        backbone_lr_factor: rate of the backbones over that of the others; 1 is one rate for all.
        layers: in place of ``backbones`` and their factor, each layer with a factor of its own, in a group of its own.

    Returns:
        The optimizer; its groups are named ``backbones``, ``others``, ``weights``, ``duals`` or by their layer if there
        are several.

    Raises:
        UserError: there are duals, and the optimizer would descend them.
    """
    groups: list[dict[str, Any]] = [{"params": [*backbones, *others], "name": "weights"}]
    if backbone_lr_factor != 1:
        groups = [{"params": list(backbones), "name": "backbones"}, {"params": list(others), "name": "others"}]
    if layers:
        named = [{"params": layer.params, "name": layer.name, "logged": layer.logged} for layer in layers]
        groups = [*named, {"params": list(others), "name": "others"}]
    if duals:
        groups.append({"params": list(duals), "name": "duals", "maximize": True})
    groups = [group for group in groups if group["params"]]
    if len(groups) == 1:
        groups[0].pop("name")
    optimizer = constructor(groups)
    if duals and not isinstance(optimizer, PESG):
        message = f"{type(optimizer).__name__} does not keep the loss's dual variables at 0 or more"
        raise UserError(message, code="conflict", where="optimizer", hint="optimizer=pesg, or another loss")
    factors = {"backbones": backbone_lr_factor, **{layer.name: layer.factor for layer in layers}}
    for group in optimizer.param_groups:
        group["lr"] *= factors.get(group.get("name", ""), 1)
    return optimizer
