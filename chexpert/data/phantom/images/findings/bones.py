"""Fracture: a rib that is broken and displaced."""

import cv2
import numpy as np

from chexpert.data.phantom.images.anatomy import Chest, trace_ribs
from chexpert.data.phantom.images.canvas import Layer


def paint_fracture(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint the lateral end of a posterior rib moved down by about its width.

    There is a gap before it and a little blood around.
    """
    side = int(rng.choice([-1, 1]))
    back, _ = trace_ribs(chest.body)
    rib, at = int(rng.integers(3, 8)), int(rng.integers(12, 17))
    u, v = (back[rib, at] * [side, 1]).tolist()  # floats: numpy's own would make every layer float64
    along = (back[rib, at + 1] - back[rib, at - 1]) * [side, 1]
    along /= np.linalg.norm(along)
    x, y = chest.canvas.grid
    ahead = (x - u) * np.float32(along[0]) + (y - v) * np.float32(along[1])
    far = (x - u) ** 2 + (y - v) ** 2
    near = np.clip(3 - 3 * far / 0.10**2, 0, 1)
    beyond = np.clip(ahead / 0.012 + 0.5, 0, 1)
    step = (0.030 + 0.015 * severity) * chest.canvas.unit
    moved = cv2.warpAffine(chest.ribs, np.array([[1, 0, 0], [0, 1, step]], np.float32), chest.ribs.shape[::-1])
    gap = np.exp(-((ahead / 0.012) ** 2))
    change = (beyond * moved + (1 - beyond) * chest.ribs) * (1 - gap) - chest.ribs
    swelling = np.sqrt(np.clip(1 - far / 0.06**2, 0, 1))
    # The bone that is gone cannot have stopped more than a rib does; what was moved or bled adds to what is there.
    return dose * (near * np.where(change < 0, 0.30 * change, change) + 0.45 * swelling)
