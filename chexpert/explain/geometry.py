"""From the model's coordinates back to the image, as it lies in its file: crop and resize undone."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
import torch
from torch.nn.functional import grid_sample

from chexpert.metrics.localization.mask_sizes import resize_matrix

CORNER = 1 / 8
BORDER = 1 / 16
"""Shares of each side of the image: of the four boxes at the corners, and of the frame along the border."""

GEOMETRY = "corners: four boxes of 1/8 of each side; border: a frame of 1/16 of each side"


def mean_side(shape: Sequence[int]) -> float:
    """Return the side of the square with as many pixels as an image (H, W), of which lengths are given as shares.

    >>> mean_side((224, 224)), mean_side((90, 40))
    (224.0, 60.0)
    """
    return sqrt(shape[0] * shape[1])


def mark_corners(shape: Sequence[int]) -> np.ndarray:
    """Return the four boxes at the corners of an image (H, W), bool."""
    return np.logical_and.outer(*(_distance(side) < round(CORNER * side) for side in shape))


def mark_frame(shape: Sequence[int]) -> np.ndarray:
    """Return the frame along the border of an image (H, W), bool; at least one pixel wide.

    >>> mark_frame((4, 3)).astype(int).tolist()
    [[1, 1, 1], [1, 0, 1], [1, 0, 1], [1, 1, 1]]
    """
    return np.logical_or.outer(*(_distance(side) < max(1, round(BORDER * side)) for side in shape))


def _distance(side: int) -> np.ndarray:
    """Of each row, or column, to the nearer end."""
    return np.minimum(np.arange(side), np.arange(side)[::-1])


def carry_back(maps: np.ndarray, matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample maps (..., h, w) in model coordinates to (..., H, W) on the image, bilinear.

    What the model did not see of the image is 0: nothing there spoke. For an image that was stretched this is bilinear
    upsampling with align_corners=False, as CheXlocalize does it.

    Args:
        maps: in the coordinates that ``matrix`` leads to.
        matrix: (3, 3) affine from image coordinates to those of the maps, (x, y) at pixel centers: for maps as large
            as the input :meth:`chexpert.data.Preprocessing.matrix`.
        height: H, of the image.
        width: W, likewise.
    """
    *lead, h, w = maps.shape
    x = (matrix[0, 0] * np.arange(width) + matrix[0, 2]).astype("float64")
    y = (matrix[1, 1] * np.arange(height) + matrix[1, 2]).astype("float64")
    seen = ((y >= -0.5) & (y <= h - 0.5))[:, None] & ((x >= -0.5) & (x <= w - 0.5))[None]
    grid = np.stack(np.broadcast_arrays((2 * x + 1)[None] / w - 1, (2 * y + 1)[:, None] / h - 1), axis=-1)
    flat = torch.from_numpy(np.ascontiguousarray(maps, dtype="float32").reshape(1, -1, h, w))
    back = grid_sample(flat, torch.from_numpy(grid[None].astype("float32")), padding_mode="border", align_corners=False)
    return (back[0].numpy() * seen).reshape(*lead, height, width)


def carry_to(maps: np.ndarray, matrix: np.ndarray, shape: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Resample maps to an image (H, W) that was resized to ``size`` (h, w): (..., h, w)."""
    (height, width), (h, w) = shape, size
    return carry_back(maps, matrix @ resize_matrix(h, w, height, width), h, w)


def carry_whole(maps: np.ndarray, matrix: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resample maps to the whole image (H, W), a pixel as large as the model's: (..., h, w).

    Where the image was stretched that is the maps as they are, otherwise they have the image's proportions.
    """
    height, width = shape
    h, w = max(1, round(height * matrix[1, 1])), max(1, round(width * matrix[0, 0]))
    if np.allclose(matrix @ resize_matrix(h, w, height, width), np.eye(3), atol=1e-6) and maps.shape[-2:] == (h, w):
        return maps
    return carry_to(maps, matrix, shape, (h, w))
