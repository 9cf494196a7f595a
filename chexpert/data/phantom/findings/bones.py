"""Fracture: a rib that is broken and displaced."""

import cv2
import numpy as np

from chexpert.data.phantom.anatomy import Chest, trace_ribs
from chexpert.data.phantom.canvas import Layer


def paint_fracture(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """The lateral end of a posterior rib moved down by about its width, a gap before it and a little blood around."""
    side = int(rng.choice([-1, 1]))
    back, _ = trace_ribs(chest.body)
    rib, at = int(rng.integers(3, 8)), int(rng.integers(12, 17))
    u, v = (back[rib, at] * [side, 1]).tolist()  # floats: numpy's own would make every layer float64
    along = (back[rib, at + 1] - back[rib, at - 1]) * [side, 1]
    along /= np.linalg.norm(along)
    x, y = chest.canvas.grid
    ahead = (x - u) * np.float32(along[0]) + (y - v) * np.float32(along[1])
    near = np.clip(1.6 - 1.6 * ((x - u) ** 2 + (y - v) ** 2) / 0.11**2, 0, 1)
    beyond = np.clip(ahead / 0.012 + 0.5, 0, 1)
    step = (0.030 + 0.015 * severity) * chest.canvas.unit
    moved = cv2.warpAffine(chest.ribs, np.array([[1, 0, 0], [0, 1, step]], np.float32), chest.ribs.shape[::-1])
    gap = np.exp(-((ahead / 0.012) ** 2))
    broken = beyond * moved + (1 - beyond) * chest.ribs
    broken *= 1 - gap
    swelling = np.exp(-((x - u) ** 2 + (y - v) ** 2) / np.float32(0.05**2))
    return dose * (near * (broken - chest.ribs) + 0.25 * swelling)
