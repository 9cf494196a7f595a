"""An image without a region, and without a region of the same shape elsewhere: any hole may matter to a model."""

import cv2
import numpy as np
from scipy.signal import fftconvolve

from chexpert.explain.geometry import mean_side

MARGIN = 1 / 64
"""Share of the image's side by which a region is grown before it is filled: resizing and JPEG blur its edge."""

RADIUS = 3  # pixels around a hole that its filling looks at

MOST_SHARED = 0.25
"""Share of a control region that may lie on the region itself: lines and wires leave no other place in a chest."""


def grow(region: np.ndarray) -> np.ndarray:
    """Grow a region (H, W) by ``MARGIN``, at least 1 pixel."""
    reach = max(1, round(MARGIN * mean_side(region.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(region.astype(np.uint8), disc).astype(bool)


def inpaint(original: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Fill a region of an image (H, W) uint8 from its surroundings (Telea 2004); elsewhere every pixel stays."""
    return cv2.inpaint(original, region.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)


def place_controls(region: np.ndarray, body: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Place the same shape, or its mirror image, elsewhere in the body of the same image.

    Every place that lies in the body is weighed by its overlap with the region; the places are
    sampled among those that overlap least.

    Args:
        region: (H, W) bool, as it will be filled.
        body: (H, W) bool.
        count: controls wanted.
        rng: samples the places.

    Returns:
        ``count`` regions (H, W) of exactly as many pixels; none where no region fits into the body.
    """
    rows, columns = np.nonzero(region)
    if not len(rows):
        return []
    shape = region[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    shared, shapes = [], (shape, shape[:, ::-1])
    for own in shapes:
        outside = _overlap(~body, own)
        # an empty place has 0 shared pixels; half a pixel is what a Fourier transform rounds
        shared.append(np.where(outside < 0.5, _overlap(region, own), np.inf))
    places = np.stack(shared).round() / len(rows)
    if places.min() > MOST_SHARED:
        return []
    least = np.argwhere(places <= places.min() + 0.02)
    return [_put(shapes[side], y, x, region.shape) for side, y, x in least[rng.integers(len(least), size=count)]]


def _overlap(field: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Pixels of ``field`` under a shape, for each place of its upper left corner."""
    return fftconvolve(field.astype("float32"), shape[::-1, ::-1].astype("float32"), mode="valid")


def _put(shape: np.ndarray, y: int, x: int, size: tuple[int, ...]) -> np.ndarray:
    placed = np.zeros(size, dtype=bool)
    placed[y : y + shape.shape[0], x : x + shape.shape[1]] = shape
    return placed
