"""Superpixels that suit a gray image."""

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter, label
from skimage import segmentation
from skimage.filters import threshold_otsu

from chexpert.explain.geometry import mean_side

LEAST_BODY = 0.2  # share of the picture; below it the mask has missed, and the whole picture is taken


def segment(gray: np.ndarray, count: int) -> np.ndarray:
    """Divide the body in an image into about ``count`` superpixels by SLIC on the gray channel.

    Args:
        gray: (H, W) uint8.
        count: superpixels wanted.

    Returns:
        (H, W) int64: 0 outside the body, 1 .. S inside. S can differ a little from ``count``.
    """
    image = gray.astype("float32") / 255
    # compactness .1: on gray in [0, 1] skimage's default of 10 gives squares that ignore the image
    segments = segmentation.slic(
        image,
        n_segments=count,
        compactness=0.1,
        sigma=1,
        channel_axis=None,
        mask=find_body(gray),
        start_label=1,
    )
    return np.unique(segments, return_inverse=True)[1].reshape(gray.shape) + (segments.min() > 0)


def quickshift(gray: np.ndarray) -> np.ndarray:
    """Return segments (H, W) int64 from 1, over the whole picture, by the lime package's default method.

    It works in Lab color, to which the gray of (H, W) uint8 is repeated; the resolution decides how many there are.
    """
    color = np.repeat(gray[..., None], 3, axis=2)
    return segmentation.quickshift(color, kernel_size=4, max_dist=200, ratio=0.2) + 1


def grid(gray: np.ndarray, count: int) -> np.ndarray:
    """Divide the box around the body into about ``count`` square cells: (H, W) int64, 0 outside the box, from 1 inside.

    The cells fill the box, so that they are only nearly square where its sides are no multiples of each other.
    """
    top, bottom, left, right = find_box(gray)
    side = np.sqrt((bottom - top) * (right - left) / count)
    rows, columns = (max(1, round(length / side)) for length in (bottom - top, right - left))
    y, x = (np.arange(length) * n // length for length, n in ((bottom - top, rows), (right - left, columns)))
    cells = np.zeros(gray.shape, dtype=np.int64)
    cells[top:bottom, left:right] = y[:, None] * columns + x + 1
    return cells


def find_box(gray: np.ndarray) -> tuple[int, int, int, int]:
    """Return the box around the body in (H, W) uint8: top, bottom, left and right, the ends exclusive."""
    rows, columns = (np.flatnonzero(find_body(gray).any(axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def find_body(gray: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) bool of the body: the largest bright region with its holes, without the black surround."""
    smooth = gaussian_filter(gray.astype("float32"), mean_side(gray.shape) / 50)
    regions, found = label(smooth > threshold_otsu(smooth) / 2) if smooth.min() < smooth.max() else (gray, 0)
    if found == 0:
        return np.ones(gray.shape, dtype=bool)
    largest = np.bincount(regions.ravel())[1:].argmax() + 1
    body = binary_fill_holes(regions == largest)
    return body if body.mean() >= LEAST_BODY else np.ones(gray.shape, dtype=bool)
