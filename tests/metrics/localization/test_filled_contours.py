"""Contours are filled as CheXlocalize fills them, by Pillow's polygons; equal to the last pixel."""

import cv2
import numpy as np
import pytest
from helpers import reference_metrics as plain

from chexpert.metrics.localization.overlap import fill_contours

SIDE = 90


def make_polygons(seed):
    """Polygons over the borders, with others cut out of them; lines one pixel wide; single pixels."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(rng.integers(SIDE // 3, SIDE, 2), np.uint8)
    for _ in range(rng.integers(1, 7)):
        cv2.fillPoly(
            mask, [rng.integers(-12, SIDE + 12, (rng.integers(2, 10), 2)).astype(np.int32)], int(rng.random() < 0.7)
        )
    for _ in range(4):
        ends = rng.integers(-5, SIDE, (2, 2)).tolist()
        cv2.line(mask, *ends, int(rng.random() < 0.5))
    mask[tuple(rng.integers(0, side, 8) for side in mask.shape)] = 1
    return mask


def make_touching(seed):
    """Blocks, frames and pixels that meet at corners, as in a noisy map."""
    rng = np.random.default_rng(seed)
    return (rng.random(rng.integers(2, 30, 2)) < rng.uniform(0.2, 0.8)).astype(np.uint8)


@pytest.mark.parametrize("make", [make_polygons, make_touching])
def test_400_of_400_random_masks_are_filled_as_by_pillow(make):
    masks = [make(seed) for seed in range(400)]
    filled = [plain.fill(mask) for mask in masks]
    assert sum((fill_contours(mask) == one).all() for mask, one in zip(masks, filled, strict=True)) == 400
    assert (
        sum((mask != one).any() for mask, one in zip(masks, filled, strict=True)) > 300
    )  # there was something to fill


@pytest.mark.parametrize(
    "shapes",
    [
        [(0, 0, 6, 6)],  # the whole image
        [(0, 0, 1, 6), (0, 5, 6, 6)],  # along two borders
        [(0, 0, 1, 1), (5, 5, 6, 6)],  # single pixels in the corners
        [(1, 1, 2, 6)],  # one pixel wide
        [(0, 0, 2, 2), (2, 2, 4, 4)],  # touching at a corner
        [(0, 0, 2, 2), (2, 3, 3, 4)],  # a single pixel that touches a corner
    ],
)
def test_edges_lines_and_single_pixels_are_filled_as_by_pillow(shapes):
    mask = np.zeros((6, 6), np.uint8)
    for top, left, bottom, right in shapes:
        mask[top:bottom, left:right] = 1
    assert (fill_contours(mask) == plain.fill(mask)).all()
