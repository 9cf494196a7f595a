"""Tries networks of timm as backbones, and prints a row of docs/reference/networks.md for each.

Untrained weights, the input size that timm states, one image of a gray ramp, a few passes an explainer.
"""

import argparse
import warnings

from chexpert.console import open_streams

CAMS = 6
"""The first of the explainers read a feature map, the others images only."""
FINE = 16


def describe(name: str) -> str:
    """The row of a network: family, name, size, last map, and what explains it; or why it is refused."""
    import timm
    import torch

    from chexpert.engine.build import check_input
    from chexpert.errors import UserError
    from chexpert.explain import HiResCAM
    from chexpert.explain.explainer_check import KINDS, describe_maps, find_fault
    from chexpert.models import Backbone, Single

    torch.manual_seed(0)
    family = timm.model_entrypoint(name).__module__.rpartition(".")[2]
    try:
        model = Single(Backbone(name), 1).eval()
        size = model.members["backbone"].made_for
        check_input(model, size)
        model.eval()
        shape = describe_maps(model, size).partition(": ")[2]
    except UserError as error:
        return f"| {family} | {name} | | | refused: {error.message} | | |"
    faults = [find_fault(model, kind(), size) for kind in KINDS]
    fine = find_fault(model, HiResCAM(stride=FINE), size)
    reasons = [describe_faults(some) for some in (faults[:CAMS], [fine], faults[CAMS:])]
    columns = [family, name, str(size), shape, *reasons]
    return f"| {' | '.join(columns)} |"


def describe_faults(faults: list[str]) -> str:
    """Return ``yes``, or the reasons why not."""
    return "; ".join(dict.fromkeys(filter(None, faults))) or "yes"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="networks of timm: resnet18 vit_tiny_patch16_224")
    warnings.simplefilter("ignore")  # timm warns of renamed networks
    for name in parser.parse_args().names:
        print(describe(name), flush=True)


if __name__ == "__main__":
    open_streams()
    main()
