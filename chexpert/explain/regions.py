"""Regions of a map: the pixels above a threshold, their boxes and the peak, on the image as it lies in its file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from chexpert.metrics import segment_above, segment_otsu
from chexpert.metrics.localization.overlap import Threshold, otsu_threshold
from chexpert.runs import files as run_files

LEAST_SHARE = 0.001
"""Of the image: smaller regions are left out, but for the largest. A cell of a 14 x 14 map has .005, single pixels of
integrated gradients have far less."""

HEADER = (
    *("image", "observation", "probability", "threshold", "region", "x0", "y0", "x1", "y1", "area"),
    *("peak_x", "peak_y", "width", "height"),
)

Thresholds = Threshold | Mapping[str, float]
"""``otsu``, a number in [0, 1], or a number for each observation; one that is not listed has ``otsu``."""


class Box(NamedTuple):
    """A rectangle of pixels: columns ``x0`` to ``x1`` - 1 and rows ``y0`` to ``y1`` - 1, from 0 at the upper left.

    So ``image[y0:y1, x0:x1]`` is what it holds.
    """

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class Region:
    """Where a map is above its threshold.

    Attributes:
        mask: (H, W) bool, all pixels above the threshold.
        boxes: around each connected region of ``LEAST_SHARE`` of the image or more, and in any case the largest; the
            largest comes first. Empty for a map without evidence.
        areas: shares of the image that the pixels of these regions have.
        peak: column and row of the map's highest pixel; of a flat peak the one nearest to its middle. None for a map
            without evidence.
        threshold: of the map, stretched to [0, 1]; None for a map without evidence.
    """

    mask: np.ndarray
    boxes: tuple[Box, ...]
    areas: tuple[float, ...]
    peak: tuple[int, int] | None
    threshold: float | None

    @property
    def box(self) -> Box | None:
        """The box of the largest region; None where there is none."""
        return self.boxes[0] if self.boxes else None


def find_region(map: np.ndarray, threshold: Threshold = "otsu") -> Region:
    """Return where a map (H, W) is above a threshold, as ``chexpert localize`` segments it.

    Args:
        map: (H, W) float in [0, 1] on the image; all 0 where nothing speaks for the observation.
        threshold: ``otsu``, with holes filled; or a number in [0, 1] of the map stretched to [0, 1].
    """
    if map.max() <= map.min():
        return Region(np.zeros(map.shape, dtype=bool), (), (), None, None)
    otsu = threshold == "otsu"
    mask = segment_otsu(map) if otsu else segment_above(map, float(threshold))
    boxes, areas = list_boxes(mask)
    return Region(mask, boxes, areas, find_peak(map), otsu_threshold(map) if otsu else float(threshold))


def list_boxes(mask: np.ndarray) -> tuple[tuple[Box, ...], tuple[float, ...]]:
    """Return the boxes of the connected regions of a mask (H, W) bool and their shares of it, the largest first.

    Pixels that touch at a corner are connected.

    >>> list_boxes(np.array([[1, 1, 0, 0], [1, 1, 0, 1]], dtype=bool))
    ((Box(x0=0, y0=0, x1=2, y1=2), Box(x0=3, y0=1, x1=4, y1=2)), (0.5, 0.125))
    """
    _, _, found, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    found = found[1:][np.argsort(-found[1:, cv2.CC_STAT_AREA], kind="stable")]  # the first is what is not marked
    kept = [row for n, row in enumerate(found.tolist()) if n == 0 or row[4] >= LEAST_SHARE * mask.size]
    return tuple(Box(x, y, x + w, y + h) for x, y, w, h, _ in kept), tuple(row[4] / mask.size for row in kept)


def find_peak(map: np.ndarray) -> tuple[int, int]:
    """Return column and row of the highest pixel of a map (H, W); of several the one nearest to their middle.

    The first of them would be the upper edge of a superpixel.

    >>> find_peak(np.array([[0.0, 1.0, 1.0, 1.0]]))
    (2, 0)
    """
    rows, columns = np.nonzero(map == map.max())
    nearest = ((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2).argmin()
    return int(columns[nearest]), int(rows[nearest])


def choose_threshold(thresholds: Thresholds, observation: str) -> Threshold:
    """Return the threshold of an observation."""
    return thresholds.get(observation, "otsu") if isinstance(thresholds, Mapping) else thresholds


def list_rows(image: str, observation: str, probability: float, region: Region) -> Iterator[list[str]]:
    """Yield a row of regions.csv for each region of a map; one without regions has a row with empty cells."""
    height, width = region.mask.shape
    head = [image, observation, f"{probability:.9g}", "" if region.threshold is None else f"{region.threshold:.6g}"]
    tail = [*map(str, region.peak or ("", "")), str(width), str(height)]
    if not region.boxes:
        yield [*head, *[""] * 6, *tail]
    for number, (box, area) in enumerate(zip(region.boxes, region.areas, strict=True), 1):
        yield [*head, str(number), *map(str, box), f"{area:.6g}", *tail]


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a mask (H, W) bool as a PNG of the image's size: 255 where it is marked, elsewhere 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)  # OpenCV would pass over a file that cannot be written


def write_regions(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write regions.csv."""
    run_files.write_table(path, HEADER, rows)
