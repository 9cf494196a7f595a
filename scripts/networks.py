"""Tries networks of timm as backbones, and prints a row of docs/networks.md for each: networks.py NAME...

Untrained weights, the input size that timm states, one image of a gray ramp, a few passes an explainer.
"""

import sys
import warnings

import timm
import torch

from chexpert.build import check_input
from chexpert.explain import HiResCAM
from chexpert.explain.trying import KINDS, describe_maps, find_fault
from chexpert.models import Backbone, Single
from chexpert.problem import ProblemError

CAMS = 6
"""The first of the explainers read a feature map, the others images only."""
FINE = 16


def describe(name: str) -> str:
    """The row of a network: family, name, size, last map, and what explains it; or why it is refused."""
    torch.manual_seed(0)
    start = f"| {family(name)} | {name}"
    try:
        model = Single(Backbone(name), 1).eval()
        size = model.members["backbone"].made_for
        check_input(model, size)
        model.eval()
        shape = describe_maps(model, size).partition(": ")[2]
    except ProblemError as problem:
        return f"{start} | | | refused: {problem.what} | | |"
    faults = [find_fault(model, kind(), size) for kind in KINDS]
    fine = find_fault(model, HiResCAM(stride=FINE), size)
    return f"{start} | {size} | {shape} | {tell(faults[:CAMS])} | {tell([fine])} | {tell(faults[CAMS:])} |"


def family(name: str) -> str:
    """The module of timm that has this network."""
    return timm.model_entrypoint(name).__module__.rpartition(".")[2]


def tell(faults: list[str]) -> str:
    """``yes``, or the reasons why not."""
    return "; ".join(dict.fromkeys(filter(None, faults))) or "yes"


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # timm tells of renamed networks
    for network in sys.argv[1:]:
        print(describe(network), flush=True)
