"""The gray scale of an image: which values become black and white where 8 bits do not say so."""

import math

import cv2
import numpy as np

ENDS = (0.001, 0.999)
"""Shares of the pixels below black and above white. One hot pixel, a dead line's end or a lead letter is less than a
thousandth of a radiograph, and would otherwise take the gray scale for itself; anatomy is more."""

LEAST_CONTRAST = 8
"""Of 256 grays, between the ends. A radiograph has over 100; in fewer than 8 nothing is seen, and a JPEG of one gray
value may have two or three."""

NO_CONTRAST = "no contrast: one gray value"

Ends = tuple[float, float]


def to_gray(values: np.ndarray, image: np.ndarray | None = None) -> np.ndarray:
    """Convert values to (H, W) uint8: 8-bit values as they are, others between their ends.

    Args:
        values: (H, W), of any kind of numbers.
        image: (H, W) bool, where they are not padding.
    """
    return values if values.dtype == np.uint8 else scale(values, find_black_and_white(values, image))


def find_black_and_white(values: np.ndarray, image: np.ndarray | None = None) -> Ends:
    """Return the values that become black and white, by ``ENDS``.

    They are values of pixels, and at least one pixel lies beyond each.

    >>> find_black_and_white(np.array([[0, 5, 6, 7, 4095]]))
    (5.0, 7.0)
    """
    inner = (values if image is None else values[image]).ravel()
    if inner.dtype.kind == "f":
        inner = inner[np.isfinite(inner)]
    last = len(inner) - 1
    if last < 2:
        return (float(inner.min()), float(inner.max())) if len(inner) else (0.0, 0.0)
    low, high = int(np.ceil(ENDS[0] * last)), int(ENDS[1] * last)
    ordered = np.partition(inner, (low, high))
    return float(ordered[low]), float(ordered[high])


def scale(values: np.ndarray, ends: Ends) -> np.ndarray:
    """Scale values to (H, W) uint8: the first of the ends is black, the second white.

    All is black where both ends are the same.
    """
    low, high = ends
    gray = np.nan_to_num(values.astype("float64"), nan=low).clip(low, high)
    return np.round((gray - low) * (255 / (high - low or 1))).astype(np.uint8)


def has_contrast(gray: np.ndarray) -> bool:
    """Return whether anything can be seen in (H, W) uint8: its ends are ``LEAST_CONTRAST`` grays apart."""
    last = gray.size - 1
    below, above = math.ceil(ENDS[0] * last) + 1, gray.size - int(ENDS[1] * last)
    # An eighth of the rows first: what has so many pixels beyond two grays there has them in the whole image.
    return any(_measure_contrast(rows, below, above) >= LEAST_CONTRAST for rows in (gray[::8], gray))


def _measure_contrast(gray: np.ndarray, below: int, above: int) -> int:
    """The gray that ``above`` pixels have at least, less the gray that ``below`` pixels have at most."""
    counts = cv2.calcHist([np.ascontiguousarray(gray)], [0], None, [256], [0, 256]).ravel()
    low, high = np.searchsorted(counts.cumsum(dtype="float64"), [below, gray.size - above + 1])
    return int(high) - int(low)
