"""An image without a region."""

import cv2
import numpy as np

from chexpert.explain.geometry import mean_side

MARGIN = 1 / 64
"""Share of the image's side by which a region is grown before it is filled: resizing and JPEG blur its edge."""

RADIUS = 3  # pixels around a hole that its filling looks at


def grow(region: np.ndarray) -> np.ndarray:
    """Grow a region (H, W) by ``MARGIN``, at least 1 pixel."""
    reach = max(1, round(MARGIN * mean_side(region.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(region.astype(np.uint8), disc).astype(bool)


def inpaint(original: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Fill a region of an image (H, W) uint8 from its surroundings (Telea 2004); elsewhere every pixel stays."""
    return cv2.inpaint(original, region.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
