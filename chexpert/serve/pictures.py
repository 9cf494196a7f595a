"""Pictures in answers: gray images, and maps over them, as addresses that hold their content."""

import io

import cv2
import numpy as np
from PIL import Image

from chexpert.explain import Explanation
from chexpert.explain.plots import find_scale
from chexpert.report.html.overlay import encode, spread, to_address

LONGEST = 1024
"""Pixels along the longer side of the image that is shown."""


def encode_gray(gray: np.ndarray, longest: int = LONGEST) -> str:
    """Encode an image (H, W) uint8 as PNG in an address, scaled down where it is larger.

    Args:
        gray: the image.
        longest: pixels along its longer side.
    """
    height, width = gray.shape
    share = min(1.0, longest / max(height, width))
    if share < 1:
        size = max(1, round(width * share)), max(1, round(height * share))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "PNG", compress_level=1)
    return to_address(file.getvalue(), "image/png")


def encode_map(explanation: Explanation) -> tuple[str, bool]:
    """Encode the map of an explanation as PNG in an address, red for the observation and blue against it.

    Returns:
        The address of a picture over the whole image, transparent where there is no evidence; and whether nothing
        speaks for the observation.
    """
    signed, view = explanation.attribution.signed, explanation.view
    scale = find_scale([explanation])
    height, width = view.original.shape
    return encode(scale.shares(spread(signed, view.matrix, (width, height)))), scale.is_silent(signed)
