"""The image at the size of a picture, with maps and outlines carried onto it."""

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.measure import find_contours

from chexpert.explain.geometry import carry_to
from chexpert.explain.regions import Box
from chexpert.explain.view import View

LONGEST = 512  # pixels of a panel's longer side: more than it is printed with, less than an image of 2,800


@dataclass(frozen=True)
class Canvas:
    """An image in its own proportions, no larger than a picture needs it.

    Attributes:
        image: (h, w) uint8.
        view: whose image it is.
    """

    image: np.ndarray
    view: View

    @classmethod
    def of(cls, view: View) -> "Canvas":
        """Return the image reduced to ``LONGEST``, or as it is where it is smaller."""
        height, width = view.original.shape
        scale = min(1.0, LONGEST / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = view.original if scale == 1 else cv2.resize(view.original, size, interpolation=cv2.INTER_AREA)
        return cls(image, view)

    def size(self, side: float) -> tuple[float, float]:
        """Return width and height of a panel whose longer side is ``side``."""
        height, width = self.image.shape
        return side * width / max(height, width), side * height / max(height, width)

    def place(self, signed: np.ndarray) -> np.ndarray:
        """Resample a map in model coordinates to this image: (h, w)."""
        return carry_to(signed, self.view.matrix, self.view.original.shape, self.image.shape)

    def reduce(self, box: Box) -> tuple[float, float, float, float]:
        """Return the edges (x0, y0, x1, y1) of a box of pixels of the image's file on this image."""
        down, across = np.array(self.image.shape) / self.view.original.shape
        return box.x0 * across - 0.5, box.y0 * down - 0.5, box.x1 * across - 0.5, box.y1 * down - 0.5

    def outline(self, mask: np.ndarray) -> list[np.ndarray]:
        """Return the borders of a mask over the whole image, of any size, as lines (n, 2) of (x, y) on this image."""
        factors = np.array(self.image.shape) / mask.shape
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        if not len(rows):
            return []
        # only where the mask is, a tenth of a large one; padded, so that a line along the edge closes
        part = np.pad(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
        corner = np.array([rows[0], columns[0]]) - 1
        lines = find_contours(part.astype(float), 0.5)
        return [((line + corner + 0.5) * factors - 0.5)[:, ::-1] for line in lines]
