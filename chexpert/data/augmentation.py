"""Random geometry for training views."""

import math
from dataclasses import dataclass

import numpy as np

from chexpert.data.preprocessing import about


@dataclass(frozen=True)
class Augmentation:
    """A random affine about the middle of the model's input.

    Attributes:
        rotation: largest angle in degrees, either way.
        scale: least and greatest magnification.
        shift: largest displacement as a share of the side, either way, in x and in y.
        flip: probability of mirroring left and right. It moves the heart to the other side: 0 by default.
    """

    rotation: float = 7.0
    scale: tuple[float, float] = (0.9, 1.1)
    shift: float = 0.05
    flip: float = 0.0

    def matrix(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """A drawn (3, 3) affine in model coordinates of a ``size`` x ``size`` input."""
        angle = math.radians(rng.uniform(-self.rotation, self.rotation))
        scale = rng.uniform(*self.scale)
        dx, dy = rng.uniform(-self.shift, self.shift, size=2) * size
        mirror = -1.0 if rng.random() < self.flip else 1.0
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        linear = np.array([[mirror * cos, -sin, 0], [mirror * sin, cos, 0], [0, 0, 1.0]])
        middle = (size - 1) / 2
        matrix = about(middle, middle, linear, middle)
        matrix[:2, 2] += dx, dy
        return matrix
