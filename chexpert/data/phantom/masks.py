"""Masks of a radiograph in the format of CheXlocalize's gt_segmentations_*.json."""

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from chexpert.data.phantom.images.radiograph import Painting, findings_of, join_masks
from chexpert.observations import CHEXLOCALIZE, OBSERVATIONS

Masks = dict[str, dict[str, object]]
"""Of one radiograph: {observation: {"size": [height, width], "counts": COCO's RLE}}."""


def encode_masks(painting: Painting) -> Masks:
    """Encode masks of all observations that a frontal view shows.

    Those of Irvin's tree are the union of their children.
    """
    masks = painting.masks()
    listed: Masks = {}
    for name in OBSERVATIONS:
        if name == "Pneumonia" and not painting.radiograph.severity.get(name):
            continue  # another consolidation
        joined = join_masks(masks, findings_of(name))
        if joined is not None:
            listed[CHEXLOCALIZE.get(name, name)] = encode_mask(joined)
    return listed


def encode_mask(mask: NDArray[np.bool_]) -> dict[str, object]:
    """Return a mask (H, W) as COCO's run lengths, ready for JSON."""
    encoded = rle.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}
