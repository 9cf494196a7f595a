"""How LIME divides an image: superpixels that follow it, a grid, a fixed atlas, or regions from a file."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from chexpert.errors import UserError
from chexpert.explain.methods.anatomy import divide_by_atlas
from chexpert.explain.methods.superpixels import grid, quickshift, segment
from chexpert.metrics.localization.mask_sizes import has_proportions

REGIONS = ("slic", "quickshift", "grid", "anatomy")

WHERE = "explainer.lime.segments"
HINT = "a PNG of one channel with region numbers, 0 where nothing is ever hidden and two or more others"


def divide_image(gray: np.ndarray, kind: str, count: int) -> np.ndarray:
    """Divide an image into regions.

    Args:
        gray: (H, W) uint8.
        kind: one of ``REGIONS``, or the path of an image file of region numbers.
        count: wanted number of regions, of ``slic`` and ``grid``.

    Returns:
        (H, W) int64: 1 .. S without gaps; 0 is never hidden.

    Raises:
        UserError: a file cannot be read, or has other proportions than the image.
    """
    if kind == "slic":
        return segment(gray, count)
    if kind == "quickshift":
        return quickshift(gray)
    if kind == "grid":
        return grid(gray, count)
    return number_regions(divide_by_atlas(gray)) if kind == "anatomy" else read_regions(kind, *gray.shape)


def read_regions(path: str, height: int, width: int) -> np.ndarray:
    """Read region numbers from an image file, and bring them to a size by the nearest pixel.

    Args:
        path: of an image of one channel.
        height: in pixels, of the model's input.
        width: likewise.

    Returns:
        (height, width) int64: 1 .. S without gaps, in the order of the numbers in the file; 0 stays 0.

    Raises:
        UserError: no such file, no image of region numbers, or an image of other proportions.
    """
    try:
        found = np.asarray(Image.open(path))
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}", code="missing-file", where=WHERE, hint=HINT) from error
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"no image: {path}", code="damaged-file", where=WHERE, hint=HINT) from error
    if found.ndim != 2 or found.dtype.kind not in "iu" or len(set(np.unique(found)) - {0}) < 2:
        message = f"no region numbers: {path} has {found.shape} {found.dtype}"
        raise UserError(message, code="input-kind", where=WHERE, hint=HINT)
    if not has_proportions(found.shape, (height, width)):
        message = f"regions of other proportions than the model's input: {path} has {found.shape[0]} x {found.shape[1]}"
        hint = f"regions of the image as the model sees it, {height} x {width} pixels or in these proportions"
        raise UserError(message, code="mask-size", where=WHERE, hint=hint)
    numbered = number_regions(found)
    resized = cv2.resize(numbered.astype(np.int32), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return number_regions(resized)


def number_regions(regions: np.ndarray) -> np.ndarray:
    """Number regions (H, W) from 1 without gaps, in their order, as int64; 0 stays 0.

    >>> number_regions(np.array([[0, 7], [3, 7]]))
    array([[0, 2],
           [1, 2]])
    """
    known = np.unique(regions[regions > 0])
    return np.where(regions > 0, np.searchsorted(known, regions) + 1, 0)


def find_errors(kind: Any, where: str) -> list[UserError]:
    """Return the error of a value that is neither one of ``REGIONS`` nor a file."""
    if isinstance(kind, str) and Path(kind).is_file():
        return []
    hint = f"one of {', '.join(REGIONS)}, or {HINT}"
    return [UserError(f"{kind!r} is not possible", code="choice", where=where, hint=hint)]
