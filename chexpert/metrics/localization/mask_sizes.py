"""Masks of another resolution than their images: which of them fit, and where their pixels lie on the image.

CheXlocalize outlined the images of CheXpert v1.0, and most people hold those of v1.0-small. Both show the same picture,
so a mask lies over its whole image, and a map is brought to the size of the mask, as CheXlocalize does it.
"""

from collections import Counter
from collections.abc import Mapping

import cv2
import numpy as np

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.metrics.localization.segmentations import Segmentations

Size = tuple[int, int]
"""(height, width) in pixels."""

MOST_STRETCHED = 0.01
"""Share by which two aspect ratios may differ; or one pixel of the smaller size, by which resizing rounds."""

ROUNDED_FROM = 32
"""Pixels of a side from which one pixel may differ: of an icon it is a large share."""

LISTED = 3


def has_proportions(mask: Size, image: Size) -> bool:
    """Return whether the aspect ratios of two sizes agree, within 1 % or one pixel of the smaller size (from 32 on).

    >>> has_proportions((2320, 2828), (320, 390)), has_proportions((2828, 2320), (320, 390))
    (True, False)
    """
    (h, w), (height, width) = sorted((mask, image), key=lambda size: size[0] * size[1])
    one, other = h * width, w * height
    pixel = max(height, width) if min(h, w) >= ROUNDED_FROM else 0
    return abs(one - other) <= max(MOST_STRETCHED * min(one, other), pixel)


def check_size(masks: Segmentations, view: str, image: Size, where: str, hint: str) -> None:
    """Check that the masks of a view have the proportions of its image, at any resolution.

    Raises:
        UserError: they have others.
    """
    size = masks.size(view)
    if size and not has_proportions(size, image):
        message = f"masks of other proportions than the image: {view} has {image[0]} x {image[1]} pixels"
        source = "" if where.startswith(masks.where) else f" in {masks.where}"
        raise UserError(f"{message}, its masks {size[0]} x {size[1]}{source}", code="mask-size", where=where, hint=hint)


def log_sizes(masks: Segmentations, images: Mapping[str, Size], noun: str = "images") -> None:
    """Print one note if masks with a pixel have another size than their images: their number by both sizes.

    Args:
        masks: the file.
        images: size of the image by view.
        noun: what these are.
    """
    pairs: Counter[tuple[Size, Size]] = Counter()
    for view, image in images.items():
        size = masks.size(view)
        if size and size != image:
            pairs[size, image] += sum(masks.area(view, name) > 0 for name in masks.masks(view))
    if pairs := +pairs:  # without those of no mask
        listed = [
            f"{count} of {mask[0]} x {mask[1]} pixels on {noun} of {image[0]} x {image[1]}"
            for (mask, image), count in pairs.most_common(LISTED)
        ]
        more = [f"{len(pairs) - LISTED} further sizes"] if len(pairs) > LISTED else []
        head = f"{masks.where}: {pairs.total()} masks of another resolution, laid over the whole image"
        log.log(NOTE, f"{head}: {', '.join([*listed, *more])}")


def resize_matrix(height: int, width: int, to_height: int, to_width: int) -> np.ndarray:
    """Return the affine (3, 3), (x, y) at pixel centers, of an image whose borders are stretched to another size."""
    x, y = to_width / width, to_height / height
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])


def resize_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring a mask (H, W) bool to another size: a pixel there is what its center lies on."""
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)
