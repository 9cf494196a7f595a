"""Copies of a model whose upper blocks have forgotten what they learned."""

from collections.abc import Collection
from copy import deepcopy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from chexpert.models import Model

CHUNK = 16


def find_blocks(model: Model) -> list[list[str]]:
    """Return the names of all parameters of a model by block, from the classifier down.

    The first block is the classifier with the last stage of every member; each further one is a stage deeper of
    every member that still has one.
    """
    members = [
        [[f"_members.{name}.net.{key}" for key in stage] for stage in divide(member.net)]
        for name, member in model.members.items()
    ]
    inside = {key for stages in members for stage in stages for key in stage}
    blocks = [[name for name, _ in model.named_parameters() if name not in inside]]
    for depth in range(max(map(len, members), default=0)):
        if depth:
            blocks.append([])
        for stages in members:
            blocks[-1] += stages[-1 - depth] if depth < len(stages) else []
    return blocks


def divide(net: nn.Module) -> list[list[str]]:
    """Return the names of a timm network's parameters by stage, the stem first, without empty stages.

    ``feature_info`` names the module that ends each stage. What follows the last but one, a head convolution or a
    final norm included, is the last stage.
    """
    places = {name: place for place, (name, _) in enumerate(net.named_modules())}
    ends = [
        max((place for name, place in places.items() if f"{name}.".startswith(f"{info['module']}.")), default=-1)
        for info in net.feature_info[:-1]  # type: ignore[index]
    ]
    stages: list[list[str]] = [[] for _ in range(len(ends) + 1)]
    for name, _ in net.named_parameters():
        stages[sum(places[name.rpartition(".")[0]] > end for end in ends)].append(name)
    return [stage for stage in stages if stage]


def randomize(model: Model, names: Collection[str], images: torch.Tensor, seed: int) -> Model:
    """Return a copy of a model in evaluation mode with the entries of some parameters shuffled; none is shared.

    Shuffling keeps each tensor's distribution, and so the scale that the layers around it expect, in any
    architecture; sampling anew would need each architecture's own scheme, and some of those start a residual branch
    at zero. Running statistics would no longer belong to the shuffled weights of a BatchNorm net (its ReLU could be
    dead everywhere, and pass as "changed"): they are measured anew, in these layers only.

    Args:
        model: stays as it is.
        names: of the parameters, see :func:`find_blocks`.
        images: (B, 1, H, W) uint8, on which statistics are measured.
        seed: of the shuffle.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False), torch.no_grad():  # copied in inference mode, weights would allow no gradient
        copy = deepcopy(model).eval()
        for name, parameter in copy.named_parameters():
            if name in names:
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
        _measure(copy, names, images)
    return copy


def _measure(model: nn.Module, names: Collection[str], images: torch.Tensor) -> None:
    """Sets the running statistics of the BatchNorm layers that have one of these parameters."""
    owners = {name.rpartition(".")[0] for name in names}
    norms = [m for name, m in model.named_modules() if isinstance(m, _BatchNorm) and name in owners]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True  # None: the plain mean over the chunks
    if norms:
        # mirrored images beside them: a last map of one cell needs two views to have a variance
        for chunk in torch.cat([images, images.flip(-1)]).split(CHUNK):
            model(chunk)
    for norm in norms:
        norm.training = False
