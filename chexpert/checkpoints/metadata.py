"""The metadata of a checkpoint: what is needed beside the weights to use them."""

from collections.abc import Mapping
from typing import Any

FORMAT = 1
"""Format of the metadata. 0: from before it was counted; 1: counted. Older ones load, newer ones do not."""


def get_output_head(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """How the outputs of a checkpoint are read; one from before there was a choice has plain logits."""
    output_head = metadata.get("readout", {})
    return {"uncertain": output_head.get("uncertain", []), "parents": output_head.get("parents")}


def without_weights(node: Any) -> Any:
    """The node of a model that loads nothing: the checkpoint's own weights follow."""
    if isinstance(node, dict):
        return {key: False if key == "pretrained" else without_weights(value) for key, value in node.items()}
    return node
