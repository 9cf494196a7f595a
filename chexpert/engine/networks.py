"""Whether networks of timm can be backbones, and which explainers they have a map for."""

import torch

from chexpert.engine.input_check import check_input
from chexpert.errors import UserError
from chexpert.explain import HiResCAM
from chexpert.explain.explainer_check import KINDS, describe_maps, find_fault
from chexpert.models import Backbone, Single, find_family

CAMS = 6
"""The first of the explainers read a feature map, the others images only."""
FINE = 16


def describe_network(name: str) -> str:
    """Return a row of docs/reference/networks.md.

    Args:
        name: of a network of timm.

    Returns:
        Family, name, input size, last map, and for the explainers ``yes`` or why not; or why the network is refused.

    Raises:
        UserError: timm has no network of this name.
    """
    if wrong := [error for error in Backbone.validate_args(name) if error.code == "unknown-backbone"]:
        raise UserError(wrong[0].message, code="unknown-backbone", where=name, hint=wrong[0].hint)
    torch.manual_seed(0)
    family = find_family(name)
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
    reasons = [_describe_faults(some) for some in (faults[:CAMS], [fine], faults[CAMS:])]
    columns = [family, name, str(size), shape, *reasons]
    return f"| {' | '.join(columns)} |"


def _describe_faults(faults: list[str]) -> str:
    """Return ``yes``, or the reasons why not."""
    return "; ".join(dict.fromkeys(filter(None, faults))) or "yes"
