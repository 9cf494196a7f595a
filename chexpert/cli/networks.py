"""Try networks of timm as backbones, and print a row of docs/reference/networks.md for each.

Untrained weights, the input size that timm states, one image of a gray ramp, a few passes an explainer.
"""

import warnings
from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="networks of timm: resnet18 vit_tiny_patch16_224")


def run(given: Namespace) -> None:
    """Print the rows."""
    from chexpert.engine.networks import describe_network

    warnings.simplefilter("ignore")  # timm warns of renamed networks
    for name in given.names:
        print(describe_network(name), flush=True)
