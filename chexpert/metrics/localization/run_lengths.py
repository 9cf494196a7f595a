"""Masks as run lengths: COCO's format, and the checks that its library leaves out.

pycocotools decodes counts that are too short for the size without a word: the rest of the mask is what the memory
held before.
"""

from typing import Any

import numpy as np
from pycocotools import mask as rle

MOST_PIXELS = 64_000_000
"""Of a mask: CheXpert's images have about 7 million, and a line of text can claim any number."""

RunLengths = dict[str, Any]
"""{"size": [height, width], "counts": str or bytes}, as pycocotools decodes it."""


def encode(mask: np.ndarray) -> RunLengths:
    """Encode a mask (H, W) as run lengths, ready for JSON.

    >>> encode(np.array([[0, 1], [0, 1]]))
    {'size': [2, 2], 'counts': '22'}
    """
    encoded = rle.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def check(item: Any) -> RunLengths:
    """Return a mask with compressed counts, if it is one; counts may also be a list of lengths ("uncompressed").

    Raises:
        ValueError: what is wrong with it.
    """
    if not isinstance(item, dict) or "counts" not in item:
        raise ValueError("a mask has size and counts")
    if "size" not in item:
        raise ValueError("a mask without size: [height, width] of the image that was outlined")
    size, counts = item["size"], item["counts"]
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError(f"size {size} is not [height, width]: two whole numbers of pixels")
    if size[0] * size[1] > MOST_PIXELS:
        raise ValueError(f"size {size} has more than {MOST_PIXELS:,} pixels")
    lengths = _listed(counts) if isinstance(counts, list) else unpack(counts)
    if lengths.sum() != size[0] * size[1]:
        raise ValueError(
            f"counts are for {lengths.sum()} pixels, the size {size[0]} x {size[1]} has {size[0] * size[1]}"
        )
    packed = rle.frPyObjects(item, *size)["counts"] if isinstance(counts, list) else counts
    return {"size": size, "counts": packed}


def _listed(counts: list[Any]) -> np.ndarray:
    if not all(type(length) is int and length >= 0 for length in counts):
        raise ValueError("a list of counts holds whole numbers, 0 or more")
    return np.array(counts, np.int64)


def unpack(counts: Any) -> np.ndarray:
    """Return the lengths of the runs, of 0 first, from COCO's string of them.

    Five bits a character from "0", the sixth says that more follow, the last one's fifth is the sign; from the fourth
    length on it is the difference to the one before the last.

    Raises:
        ValueError: it is no such string.

    >>> unpack(";230009")
    array([11,  2,  3,  2,  3,  2, 12])
    """
    if not isinstance(counts, str):
        raise ValueError(f"counts are text or a list, not {type(counts).__name__}")
    bits = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - ord("0")
    ends = np.flatnonzero(bits & 32 == 0)
    if not len(bits) or ((bits < 0) | (bits > 63)).any() or not len(ends) or ends[-1] != len(bits) - 1:
        raise ValueError("counts are not run lengths")
    starts = np.concatenate([[0], ends[:-1] + 1])
    places = np.arange(len(bits)) - np.repeat(starts, ends - starts + 1)
    if places.max() > 6:
        raise ValueError("counts are not run lengths")  # more than 2^35
    lengths = np.add.reduceat((bits & 31) << 5 * places, starts)
    lengths -= np.where(bits[ends] & 16, 1 << 5 * (places[ends] + 1), 0)
    for chain in (lengths[1::2], lengths[2::2]):
        np.cumsum(chain, out=chain)
    if (lengths < 0).any():
        raise ValueError("counts are not run lengths")
    return lengths
