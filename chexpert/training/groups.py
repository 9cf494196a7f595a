"""Which parameters an optimizer gets, and at which rate."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from chexpert.errors import ProblemError
from chexpert.training.pesg import PESG


def start_optimizer(
    constructor: Callable[..., torch.optim.Optimizer],
    backbones: Sequence[nn.Parameter],
    others: Sequence[nn.Parameter],
    duals: Sequence[nn.Parameter] = (),
    backbone_lr_factor: float = 1.0,
) -> torch.optim.Optimizer:
    """The optimizer of these parameters, in one group where one rate is for all.

    Args:
        constructor: takes groups of parameters.
        backbones: learn at ``backbone_lr_factor`` times the rate of the others.
        others: of classifiers and of the loss.
        duals: variables of the loss that are to be ascended.
        backbone_lr_factor: 1 is one rate for all.

    Raises:
        ProblemError: there are duals, and the optimizer would descend them.
    """
    groups: list[dict[str, Any]] = [{"params": [*backbones, *others], "name": "weights"}]
    if backbone_lr_factor != 1:
        groups = [{"params": list(backbones), "name": "backbones"}, {"params": list(others), "name": "others"}]
    if duals:
        groups.append({"params": list(duals), "name": "duals", "maximize": True})
    groups = [group for group in groups if group["params"]]
    if len(groups) == 1:
        groups[0].pop("name")
    optimizer = constructor(groups)
    if duals and not isinstance(optimizer, PESG):
        what = f"{type(optimizer).__name__} does not keep the loss's dual variables at 0 or more"
        raise ProblemError(what, where="optimizer", mend="optimizer=pesg, or another loss")
    for group in optimizer.param_groups:
        if group.get("name") == "backbones":
            group["lr"] *= backbone_lr_factor
    return optimizer
