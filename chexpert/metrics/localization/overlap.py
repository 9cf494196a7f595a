"""Segmentations made of attribution maps, and their overlap with masks, as CheXlocalize has them.

Source: Saporta et al. 2022, doi.org/10.1038/s42256-022-00536-x, and the code of rajpurkarlab/cheXlocalize.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

if TYPE_CHECKING:
    import torch

Threshold = float | Literal["otsu"]
"""Of a map in [0, 1]; ``otsu`` finds one for each map and fills holes."""


def iou(predicted: np.ndarray, truth: np.ndarray, *, true_positives_only: bool) -> float:
    """Compute the intersection over union of two masks, see :func:`ious`.

    Args:
        predicted: (H, W) bool.
        truth: (H, W) bool.
        true_positives_only: whether the value is NaN unless both masks have a pixel; otherwise it is NaN only if
            neither has one.

    Returns:
        The value in [0, 1], or NaN.

    Raises:
        ValueError: the masks differ in shape.

    >>> iou(np.array([1, 1, 0], bool), np.array([0, 1, 1], bool), true_positives_only=True)
    0.3333333333333333
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"masks of {predicted.shape} and {truth.shape} cannot be laid over each other")
    areas = (np.count_nonzero(each) for each in (predicted & truth, predicted, truth))
    return float(ious(*map(np.array, areas), true_positives_only=true_positives_only))


def ious(
    intersection: np.ndarray, predicted: np.ndarray, truth: np.ndarray, *, true_positives_only: bool
) -> np.ndarray:
    """Compute IoU from areas, float64 in [0, 1], in either of CheXlocalize's conventions.

    Args:
        intersection: areas in pixels, of any shape.
        predicted: likewise, of the predicted masks.
        truth: likewise, of the true ones.
        true_positives_only: NaN unless both masks have a pixel. Otherwise NaN only if neither has one: a false
            positive and a miss are 0.
    """
    union = np.asarray(predicted + truth - intersection, "float64")
    defined = (predicted > 0) & (truth > 0) if true_positives_only else union > 0
    return np.divide(intersection, union, out=np.full(union.shape, math.nan), where=defined)


def upsample(maps: "torch.Tensor", height: int, width: int) -> "torch.Tensor":
    """Upsample maps (N, h, w) to (N, height, width) float32.

    Bilinear with align_corners=False, as CheXlocalize does it.
    """
    from torch.nn.functional import interpolate  # takes seconds: not for those who only want a metric

    return interpolate(maps[:, None].float(), (height, width), mode="bilinear", align_corners=False)[:, 0]


def upsample_array(map: np.ndarray, height: int, width: int) -> np.ndarray:
    """Upsample a map (h, w) to (height, width) float32; see :func:`upsample`."""
    import torch

    return upsample(torch.from_numpy(np.ascontiguousarray(map, "float32"))[None], height, width)[0].numpy()


def segment_otsu(map: np.ndarray) -> np.ndarray:
    """Segment a map by Otsu's threshold (1979) on the map in 256 steps, holes filled.

    A single pixel that touches no other is dropped: CheXlocalize paints the contours again, and has none for it.

    Args:
        map: (H, W) float, of any scale.

    Returns:
        (H, W) bool, True above the threshold and in holes; all False for a constant map.
    """
    return next(segment(map, ["otsu"]))


def otsu_threshold(map: np.ndarray) -> float:
    """Return Otsu's threshold of a map, stretched to [0, 1]: pixels from it on are above, before holes are filled.

    Args:
        map: (H, W) float, of any scale, not constant.
    """
    return float(cv2.threshold(_count_steps(stretch(map)), 0, 1, cv2.THRESH_OTSU)[0] + 1) / 255


def segment_above(map: np.ndarray, threshold: float) -> np.ndarray:
    """Segment a map, stretched to [0, 1], at a threshold.

    Args:
        map: (H, W) float, of any scale.
        threshold: value of the stretched map, in [0, 1].

    Returns:
        (H, W) bool, True above the threshold; all False for a constant map.
    """
    return next(segment(map, [threshold]))


def segment(map: np.ndarray, thresholds: Iterable[Threshold]) -> Iterator[np.ndarray]:
    """Yield the segmentation of a map at each threshold in turn.

    The map is stretched once, which takes long on a large image.
    """
    stretched = stretch(map)
    for threshold in thresholds:
        yield _otsu(stretched) if threshold == "otsu" else stretched > threshold


def stretch(map: np.ndarray) -> np.ndarray:
    """Stretch a map to [0, 1], float32; a constant map becomes 0, below any threshold."""
    stretched = np.asarray(map, "float32") - np.float32(map.min())
    high = stretched.max()
    return np.divide(stretched, high, out=stretched) if high > 0 else stretched


def _otsu(stretched: np.ndarray) -> np.ndarray:
    return fill_contours(cv2.threshold(_count_steps(stretched), 0, 1, cv2.THRESH_OTSU)[1])


def _count_steps(stretched: np.ndarray) -> np.ndarray:
    return (stretched * np.float32(255)).astype(np.uint8)  # cut off, not rounded


def fill_contours(above: np.ndarray) -> np.ndarray:
    """Fill the holes of a mask (H, W) uint8 and drop its single pixels, as CheXlocalize does by Pillow's polygons."""
    contours, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros_like(above)
    return cv2.drawContours(filled, _drop_points(contours), -1, 1, cv2.FILLED).astype(bool)


def _drop_points(contours: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [contour for contour in contours if len(contour) > 1]
