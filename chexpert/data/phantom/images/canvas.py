"""Painting outlines and lines given in body coordinates onto the pixels of a radiograph.

Body coordinates: `u` to the right of the picture, `v` downwards, the origin in the middle of the image, 1 = half of
its short side. The patient's right is at `u < 0`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Layer = NDArray[np.float32]
Points = NDArray[np.float64]
Outlines = Sequence[Points] | Points  # a list of (N, 2), or one (M, N, 2)

_SUBPIXEL = 4  # fractional bits of OpenCV's coordinates


def round_off(points: Points, times: int = 3) -> Points:
    """Smooth a closed outline of (N, 2) corners by Chaikin's corner cutting; a corner given twice stays sharper."""
    for _ in range(times):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], 1).reshape(-1, 2)
    return points


def bend(points: Points, times: int = 4) -> Points:
    """Smooth an open line of (N, 2) corners in the same way; its ends stay where they are."""
    for _ in range(times):
        cut = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], 1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])
    return points


def ribbon(lines: Points, width: float) -> Points:
    """Return outlines, (..., 2N, 2), of bands of the given width around open (..., N, 2) lines."""
    along = np.gradient(lines, axis=-2)
    across = np.stack([-along[..., 1], along[..., 0]], -1) * (width / 2 / np.linalg.norm(along, axis=-1)[..., None])
    return np.concatenate([lines + across, (lines - across)[..., ::-1, :]], -2)


def ellipse(u: float, v: float, ru: float, rv: float) -> Points:
    """Return the outline, (48, 2), of an upright ellipse."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([u + ru * np.cos(angle), v + rv * np.sin(angle)], 1)


@dataclass(frozen=True)
class Canvas:
    """A radiograph of `shape` (height, width) pixels and the similarity transform that puts the body onto it."""

    shape: tuple[int, int]
    rotation: float = 0.0  # radians
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)  # body units

    @property
    def unit(self) -> float:
        """Pixels in one body unit."""
        return min(self.shape) / 2 * self.scale

    @cached_property
    def _matrix(self) -> Points:
        c, s = np.cos(self.rotation), np.sin(self.rotation)
        return self.unit * np.array([[c, -s], [s, c]])

    @cached_property
    def _origin(self) -> Points:
        height, width = self.shape
        return np.array([width, height]) / 2 + np.array(self.shift) * min(self.shape) / 2

    @cached_property
    def grid(self) -> tuple[Layer, Layer]:
        """Body coordinates (u, v) of every pixel, each (H, W)."""
        inverse = np.linalg.inv(self._matrix).astype(np.float32)
        x = np.arange(self.shape[1], dtype=np.float32)[None] + np.float32(0.5 - self._origin[0])
        y = np.arange(self.shape[0], dtype=np.float32)[:, None] + np.float32(0.5 - self._origin[1])
        return inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y

    def fill(self, outlines: Outlines, soft: float = 0.01) -> Layer:
        """Paint closed outlines: (H, W) in [0, 1], edges blurred with a sigma of `soft` body units."""
        small = max(1, int(soft * self.unit / 1.25))  # a wide blur needs no full resolution
        return self._paint(outlines, soft, small, lambda image, p: cv2.fillPoly(image, [p], 255, 16, _SUBPIXEL))

    def stroke(
        self, lines: Outlines, width: float | Sequence[float], soft: float = 0.004, ink: Sequence[float] | None = None
    ) -> Layer:
        """Paint open lines, (H, W) in [0, 1]: of one width in body units or each of its own, at least a pixel.

        A line narrower than a pixel is a pixel wide and fainter, so that a radiograph is the same scene at every size.
        `ink` in [0, 1] is the strength of each line; a later line covers an earlier one.
        """
        wanted = np.broadcast_to(np.asarray(width, float) * self.unit, len(lines))
        inks = 255 * np.minimum(wanted, 1) * (1.0 if ink is None else np.asarray(ink))
        pens = iter(zip(inks.tolist(), np.maximum(1, np.rint(wanted)).astype(int).tolist(), strict=True))

        def paint_line(image: NDArray[np.uint8], points: Points) -> None:
            value, pixels = next(pens)
            cv2.polylines(image, [points], False, value, pixels, 16, _SUBPIXEL)

        return self._paint(lines, soft, 1, paint_line)

    def _paint(
        self, shapes: Outlines, soft: float, small: int, paint: Callable[[NDArray[np.uint8], Points], object]
    ) -> Layer:
        height, width = self.shape
        image = np.zeros((-(-height // small), -(-width // small)), np.uint8)
        pixels = ((np.concatenate(shapes) @ self._matrix.T + self._origin) / small - 0.5) * 2**_SUBPIXEL
        ends = np.cumsum([len(points) for points in shapes])[:-1]
        for points in np.split(np.rint(pixels).astype(np.int32), ends):
            paint(image, points)
        sigma = soft * self.unit / small
        layer = image.astype(np.float32)
        layer *= np.float32(1 / 255)
        if sigma > 0.3:
            layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma), np.float32)
        if small > 1:
            layer = np.asarray(cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        return layer

    def noise(self, rng: np.random.Generator, grain: float) -> Layer:
        """Sample smooth noise, (H, W), of about unit variance, blobs of `grain` body units.

        It is the same at every resolution.
        """
        side, blobs = max(self.shape), int(np.ceil(2.5 / grain))
        coarse = rng.standard_normal((blobs, blobs), np.float32)
        fine = np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
        return fine[: self.shape[0], : self.shape[1]]
