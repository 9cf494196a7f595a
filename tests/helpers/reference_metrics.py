"""CheXlocalize's definitions (Saporta et al. 2022) once more, slow and plain, to hold the fast ones against.

Nothing here comes from chexpert: pixels in loops, Otsu by trying every threshold, PIL for the polygons.
"""

import math

import cv2
import numpy as np
from PIL import Image, ImageDraw


def upsample(map, height, width):
    """Bilinear, align_corners=False: an output pixel's center is placed in the input, edges are repeated."""
    h, w = map.shape
    large = np.zeros((height, width))
    for row in range(height):
        y = min(max((row + 0.5) * h / height - 0.5, 0), h - 1)
        y0 = int(y)
        y1 = min(y0 + 1, h - 1)
        for column in range(width):
            x = min(max((column + 0.5) * w / width - 0.5, 0), w - 1)
            x0 = int(x)
            x1 = min(x0 + 1, w - 1)
            top = map[y0, x0] * (1 - (x - x0)) + map[y0, x1] * (x - x0)
            bottom = map[y1, x0] * (1 - (x - x0)) + map[y1, x1] * (x - x0)
            large[row, column] = top * (1 - (y - y0)) + bottom * (y - y0)
    return large


def stretch(map):
    return (map - map.min()) / (map.max() - map.min())


def otsu_threshold(steps):
    """The gray level, below which and at which is one class, with the largest variance between the classes."""
    best, found = -1.0, 0
    flat = steps.ravel().astype(float)
    for level in range(256):
        low, high = flat[flat <= level], flat[flat > level]
        if len(low) and len(high):
            between = len(low) * len(high) * (low.mean() - high.mean()) ** 2
            if between > best * (1 + 1e-9):
                best, found = between, level
    return found


def segment_otsu(map):
    if map.max() == map.min():
        return np.zeros(map.shape, bool)
    steps = np.floor(stretch(map) * 255 + 1e-4).astype(np.uint8)
    above = (steps > otsu_threshold(steps)).astype(np.uint8)
    return fill(above)


def fill(above):
    """Every contour of a uint8 mask, those of holes too, as a polygon that Pillow fills; not of a single pixel."""
    contours, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    canvas = Image.new("1", above.shape[::-1])
    for contour in contours:
        if len(contour) > 1:
            ImageDraw.Draw(canvas).polygon([(int(x), int(y)) for x, y in contour[:, 0]], outline=1, fill=1)
    return np.array(canvas)


def segment_above(map, threshold):
    return stretch(map) > threshold if map.max() > map.min() else np.zeros(map.shape, bool)


def iou(predicted, truth, true_positives_only):
    both = either = in_predicted = in_truth = 0
    for p, t in zip(predicted.ravel(), truth.ravel(), strict=True):
        both += bool(p and t)
        either += bool(p or t)
        in_predicted += bool(p)
        in_truth += bool(t)
    if either == 0 or (true_positives_only and (in_predicted == 0 or in_truth == 0)):
        return math.nan
    return both / either


def mean(values):
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def miou(truth, predicted, true_positives_only):
    """Over {view: mask}: an image of the truth without a prediction has an empty one; the other way round in the
    second mode only."""
    values = [iou(predicted.get(view, mask & ~mask), mask, true_positives_only) for view, mask in truth.items()]
    if not true_positives_only:
        others = [mask for view, mask in predicted.items() if view not in truth]
        values += [iou(mask, mask & ~mask, true_positives_only) for mask in others]
    return mean(values)


def hit_rate(truth, maps):
    """Over {view: upsampled map}."""
    values = []
    for view, mask in truth.items():
        if view in maps and mask.any():
            best = (-math.inf, None)
            for row in range(mask.shape[0]):
                for column in range(mask.shape[1]):
                    if maps[view][row, column] > best[0]:
                        best = (maps[view][row, column], (row, column))
            values.append(float(mask[best[1]]))
    return mean(values)


def tune(candidates, metric):
    """The first candidate with the highest metric."""
    values = [metric(candidate) for candidate in candidates]
    return candidates[values.index(max(values))]
