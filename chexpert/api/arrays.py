"""Images given as arrays: checked, and as gray values of 8 bits."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from chexpert.data.preprocessing import LEAST_SIDE
from chexpert.errors import UserError

SHAPES = "give gray images: (h, w) for one, (n, h, w) for n"
DETACH = "give tensor.detach()"
RANGE = "give uint8, or floats from 0 (black) to 1 (white)"


def read_images(array: ArrayLike) -> np.ndarray:
    """Check images and return them as uint8.

    Args:
        array: (h, w) or (n, h, w), uint8 or float in [0, 1].

    Returns:
        (n, h, w) uint8; n is 1 for one image.

    Raises:
        UserError: another shape, type or range, or NaN.

    >>> read_images(np.full((32, 40), 0.5)).shape, read_images(np.full((2, 32, 32), 1.0)).max().item()
    ((1, 32, 40), 255)
    """
    try:
        images = np.asarray(array)
    except RuntimeError as error:  # torch: it is part of a graph
        raise UserError("a tensor with gradients", code="input-kind", where="the array", hint=DETACH) from error
    except (TypeError, ValueError) as error:  # images of several sizes; a tensor on another device
        hint = f"{SHAPES}; of a tensor on a device tensor.cpu()"
        raise UserError("no array of one shape", code="input-kind", where="the array", hint=hint) from error
    if images.ndim not in (2, 3) or not images.size:
        raise UserError(f"an array of shape {images.shape}", code="input-kind", where="the array", hint=SHAPES)
    if min(images.shape[-2:]) < LEAST_SIDE:
        message = f"images of {images.shape[-2]} x {images.shape[-1]} pixels: a side has at least {LEAST_SIDE}"
        hint = f"{SHAPES}; of a color image one channel" if images.shape[-1] in (3, 4) else SHAPES
        raise UserError(message, code="image-size", where="the array", hint=hint)
    return to_bytes(images).reshape(-1, *images.shape[-2:])


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Return gray values as uint8, in the same shape.

    Raises:
        UserError: they are neither uint8 nor floats in [0, 1].
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise UserError(f"values of type {images.dtype}", code="value", where="the array", hint=RANGE)
    if not np.isfinite(images).all():
        raise UserError("a value is NaN or infinite", code="nan", where="the array", hint=RANGE)
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise UserError(f"values from {low:.4g} to {high:.4g}", code="value", where="the array", hint=RANGE)
    return np.round(images * 255).astype(np.uint8)


def write_images(images: np.ndarray, folder: Path) -> list[Path]:
    """Write images (n, h, w) uint8 as PNG files, without loss, and return their paths in order."""
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path, compress_level=1)
    return paths
