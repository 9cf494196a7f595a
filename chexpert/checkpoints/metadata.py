"""The metadata of a checkpoint: what is needed beside the weights to use them."""

from collections.abc import Mapping
from typing import Any

FORMAT = 1
"""Format of the metadata. 0: from before it was counted; 1: counted. Older ones load, newer ones do not."""


def get_output_head(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the output head of a checkpoint.

    A checkpoint that was written before there was a choice has plain logits.

    Args:
        metadata: metadata of the checkpoint.

    Returns:
        ``uncertain``, the indices of the three-class observations, and ``parents``, the index of each observation's
        parent (-1 for a root), or None if no observation is conditional.
    """
    output_head = metadata.get("readout", {})
    return {"uncertain": output_head.get("uncertain", []), "parents": output_head.get("parents")}


def without_pretrained(node: Any) -> Any:
    """Return the node of a model with ``pretrained: false`` everywhere, since the checkpoint has all weights.

    Args:
        node: config node; anything but a mapping is returned as it is.

    Returns:
        A new node, which loads no file of weights.
    """
    if isinstance(node, dict):
        return {key: False if key == "pretrained" else without_pretrained(value) for key, value in node.items()}
    return node
