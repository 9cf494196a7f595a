"""What stands where a region of an image is hidden."""

import cv2
import numpy as np

from chexpert.explain.geometry import mean_side
from chexpert.explain.methods.superpixels import find_body

FILLS = ("blur", "mean", "local", "black")

BLUR = 0.1  # share of the image's side, standard deviation
RING = (0.08, 0.25)  # likewise: what is nearer than the first does not count, what is farther than the second neither


def fill_image(gray: np.ndarray, kind: str) -> np.ndarray:
    """Return the image that shows wherever ``gray`` is hidden.

    No fill is neutral: what hides a finding must neither keep it nor put in another.

    ``blur``: the image without its fine structure; a large finding stays, fainter, so that hiding it changes little.
    ``mean``: the mean gray of the body, everywhere. ``local``: the mean of a ring around each pixel, so that the
    finding itself does not count. ``black``: air, which looks like a pneumothorax.

    Args:
        gray: (H, W) uint8.
        kind: one of ``FILLS``.

    Returns:
        (H, W) uint8.
    """
    fill = gray.astype("float32")
    if kind == "blur":
        fill = blur(fill, BLUR * mean_side(gray.shape))
    elif kind == "mean":
        fill = np.full_like(fill, fill[find_body(gray)].mean())
    elif kind == "local":
        fill = surroundings(fill, find_body(gray))
    elif kind == "black":
        fill = np.zeros_like(fill)
    else:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}, not {kind!r}")
    return fill.round().astype(np.uint8)


def blur(values: np.ndarray, sigma: float) -> np.ndarray:
    """Blur (H, W) float32 as scipy's gaussian_filter does to 1e-6, in a quarter of the time."""
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def surroundings(original: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Return the mean over a soft ring around each pixel, (H, W) float32, of the body only where that is near."""
    near, far = (share * mean_side(original.shape) for share in RING)
    weight = body.astype("float32") + 1e-3  # outside the body only where nothing else is near

    def ring(values: np.ndarray) -> np.ndarray:
        # both blurs have sum 1: taking off the inner one, scaled to its height in the middle, leaves a hole there
        return blur(values, far) - (near / far) ** 2 * blur(values, near)

    return ring(original * weight) / ring(weight)
