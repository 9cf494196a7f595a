"""Boxes of external data sets as masks, in the format that ``chexpert localize`` and ``explain.masks`` read."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from chexpert.data.phantom.masks import encode_mask
from chexpert.data.sources.external.counterparts import LabelTable
from chexpert.data.sources.external.external_set import Box
from chexpert.errors import UserError
from chexpert.observations import CHEXLOCALIZE
from chexpert.runs.files import view_name

TOLERANCE = 1.0
"""Pixels by which a box may lie outside of its image: coordinates are rounded."""

Masks = dict[str, dict[str, dict[str, object]]]
"""{view: {observation: {"size": [height, width], "counts": run lengths}}}, with the names of CheXlocalize."""


def make_masks(boxes: Iterable[Box], table: LabelTable) -> tuple[Masks, dict[str, int]]:
    """Return the mask of each view and observation: the union of its boxes.

    Args:
        boxes: of one data set.
        table: the counterparts of its labels.

    Returns:
        The masks, and the number of boxes left out by label: those without a counterpart.

    Raises:
        UserError: a box is empty or lies outside of its image, or the boxes of a view are of images of two sizes.
    """
    filled: dict[str, dict[str, np.ndarray]] = {}
    aside: Counter[str] = Counter()
    for box in boxes:
        check_box(box)
        observation = table.counterparts[box.label].observation
        if observation is None:
            aside[box.label] += 1
            continue
        masks = filled.setdefault(view_name(box.path), {})
        mask = masks.setdefault(CHEXLOCALIZE.get(observation, observation), np.zeros(box.size, dtype=bool))
        if any(other.shape != box.size for other in masks.values()):
            raise UserError("boxes in images of two sizes", code="mask-size", where=box.where, hint="restore the table")
        (top, bottom), (left, right) = round_side(box.top, box.bottom), round_side(box.left, box.right)
        mask[top:bottom, left:right] = True
    encoded = {
        view: {name: encode_mask(mask) for name, mask in sorted(masks.items())} for view, masks in filled.items()
    }
    return encoded, dict(aside)


def check_box(box: Box) -> None:
    """Check that a box has an area, and lies in its image.

    Raises:
        UserError: it does not.
    """
    height, width = box.size
    sides = (box.left, box.top, box.right, box.bottom)
    message = ""
    if not all(map(np.isfinite, sides)) or box.right <= box.left or box.bottom <= box.top:
        message = "no box: its sides are"
    elif min(box.left, box.top) < -TOLERANCE or box.right > width + TOLERANCE or box.bottom > height + TOLERANCE:
        message = f"a box outside of its image of {width} x {height} pixels: its sides are"
    if message:
        listed = ", ".join(f"{side:g}" for side in sides)
        raise UserError(f"{message} {listed}", code="mask-size", where=box.where, hint="restore the table of boxes")


def round_side(low: float, high: float) -> tuple[int, int]:
    """Return the range of pixels whose centers lie between two coordinates; at least one pixel.

    >>> round_side(0.4, 64.6), round_side(-0.3, 2.0), round_side(7.1, 7.3)
    ((0, 65), (0, 2), (7, 8))
    """
    first = max(0, int(np.ceil(low - 0.5)))
    return first, max(first + 1, int(np.ceil(high - 0.5)))


def list_boxed(paths: Sequence[str], masks: Masks) -> list[str]:
    """Return those of these views that have a mask."""
    return [path for path in paths if view_name(path) in masks]
