"""How deep below the classifier each weight of a network lies."""

from typing import Any

from timm.models._manipulate import group_with_matcher
from timm.optim._param_groups import auto_group_layers

from chexpert.errors import UserError

HEAD = "(classifier)"
"""Stands for the head that a backbone has not: no network matches it, as timm matches no head."""


def find_depths(net: Any, name: str) -> dict[str, int]:
    """Return the depth below the head of each parameter, by timm's own groups of layers.

    Depth 1 is the last block. 0 is a norm behind the last block that timm counts to the head. This is the exponent of
    ``timm.optim.param_groups_layer_decay``.

    Args:
        net: headless network of timm.
        name: of the network.

    Raises:
        UserError: timm knows no layers of this network.
    """
    if hasattr(net, "group_matcher"):
        names = [(key, None) for key, _ in net.named_parameters()]
        layers = group_with_matcher(iter([*names, (HEAD, None)]), net.group_matcher(coarse=False), reverse=True)
        head = layers.pop(HEAD)
    else:
        layers = auto_group_layers(net)
        head = max(layers.values()) + 1
    if len(set(layers.values()) | {head}) < 3:
        message = f"timm knows no layers of {name}, so that its learning rate cannot decay from one to the next"
        raise UserError(message, code="conflict", where="layer_decay", hint="layer_decay=null, or another backbone")
    return {key: head - layer for key, layer in layers.items()}
