"""Regions of a frontal chest image by a fixed atlas, scaled to the box around the body: no segmentation."""

import numpy as np

from chexpert.explain.methods.superpixels import find_box

Box = tuple[float, float, float, float]
"""Left, right, top and bottom as shares of the body's box; right is the image's, which is the patient's left."""

ATLAS: tuple[tuple[str, tuple[Box, ...]], ...] = (
    ("neck and shoulders", ((0, 1, 0, 0.12),)),
    ("right chest wall", ((0, 0.12, 0.12, 0.78),)),
    ("left chest wall", ((0.88, 1, 0.12, 0.78),)),
    ("right abdomen", ((0, 0.5, 0.78, 1),)),
    ("left abdomen", ((0.5, 1, 0.78, 1),)),
    ("right apex", ((0.12, 0.42, 0.12, 0.24),)),
    ("left apex", ((0.58, 0.88, 0.12, 0.24),)),
    ("right upper lung", ((0.12, 0.42, 0.24, 0.40),)),
    ("left upper lung", ((0.58, 0.88, 0.24, 0.40),)),
    ("right middle lung", ((0.12, 0.29, 0.40, 0.58),)),
    ("left middle lung", ((0.73, 0.88, 0.40, 0.58),)),
    ("right lower lung", ((0.12, 0.40, 0.58, 0.78),)),
    ("left lower lung", ((0.73, 0.88, 0.58, 0.70),)),
    ("right costophrenic angle", ((0.06, 0.26, 0.68, 0.82),)),
    ("left costophrenic angle", ((0.76, 0.94, 0.68, 0.82),)),
    ("upper mediastinum", ((0.42, 0.58, 0.12, 0.42),)),
    ("right hilum", ((0.29, 0.42, 0.40, 0.58),)),
    ("left hilum", ((0.58, 0.73, 0.40, 0.54),)),
    ("heart", ((0.40, 0.60, 0.50, 0.78), (0.58, 0.76, 0.54, 0.78))),
    ("middle mediastinum", ((0.42, 0.58, 0.42, 0.50),)),
)
"""Where later regions cover earlier ones, the later ones count. The proportions are the project's own estimate of a
frontal image of an adult, read off textbook drawings; no data were fitted."""


def divide_by_atlas(gray: np.ndarray) -> np.ndarray:
    """Lay the atlas over the box around the body.

    Args:
        gray: (H, W) uint8, a frontal view.

    Returns:
        (H, W) int64: 0 outside the box, and the place in ``ATLAS`` from 1 inside it.
    """
    top, bottom, left, right = find_box(gray)
    regions = np.zeros(gray.shape, dtype=np.int64)
    for number, (_, boxes) in enumerate(ATLAS, start=1):
        for x0, x1, y0, y1 in boxes:
            rows = slice(*(top + round(share * (bottom - top)) for share in (y0, y1)))
            columns = slice(*(left + round(share * (right - left)) for share in (x0, x1)))
            regions[rows, columns] = number
    return regions
