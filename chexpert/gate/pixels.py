"""Checks of an image's gray values and size, which need no fit."""

from collections.abc import Iterator

import numpy as np

from chexpert.image_size import ImageSize

DARK, LIGHT = 13, 242
"""Of 255: 5 % from black, and from white."""
MOST_UNIFORM = 0.9
"""Share of dark, or of light, pixels: at most .3 of 184 radiographs of NIH ChestX-ray14 scaled to 320 px."""
MOST_SATURATED = 0.5
"""Share of pixels that are black or white to a gray level: at most .17 of the same images."""
LEAST_RANGE = 40
"""Of 255, between the 1st and the 99th percentile: of the same images at most 68 and at least 148."""
MOST_COLOR = 10.0
"""Of 255: the mean difference between the largest and the smallest channel. JPEG colors a gray image by up to 8."""
SAMPLED = 256
"""Pixels along a side that are looked at."""


def check_gray(gray: np.ndarray) -> Iterator[str]:
    """Yield what is wrong with the gray values (H, W) uint8 of an image: each with its number.

    >>> list(check_gray(np.zeros((64, 64), np.uint8)))
    ['nearly black: 100 % of the pixels']
    """
    step = max(1, min(gray.shape) // SAMPLED)
    counts = np.bincount(gray[::step, ::step].ravel(), minlength=256)
    shares = np.cumsum(counts) / counts.sum()
    dark, light = shares[DARK - 1], 1 - shares[LIGHT]
    saturated = shares[1] + 1 - shares[253]
    if dark >= MOST_UNIFORM:
        yield f"nearly black: {dark:.0%} of the pixels".replace("%", " %")
    elif light >= MOST_UNIFORM:
        yield f"nearly white: {light:.0%} of the pixels".replace("%", " %")
    elif saturated >= MOST_SATURATED:
        yield f"saturated, a wrong window: {saturated:.0%} of the pixels are black or white".replace("%", " %")
    else:
        low, high = np.searchsorted(shares, [0.01, 0.99])
        if high - low < LEAST_RANGE:
            yield f"low contrast: {high - low} of 255 gray levels"


def check_size(height: int, width: int, size: ImageSize) -> Iterator[str]:
    """Yield that an image of so many pixels is far smaller than the model's input: less than half along a side.

    >>> list(check_size(60, 200, ImageSize(224, 224)))
    ["smaller than the model's input: 200 x 60 pixels for 224 x 224"]
    """
    if 2 * height < size.height or 2 * width < size.width:
        yield f"smaller than the model's input: {width} x {height} pixels for {size.width} x {size.height}"


def check_color(difference: float) -> Iterator[str]:
    """Yield that an image has colors, from the mean difference between its channels.

    >>> list(check_color(31.2)), list(check_color(3.0))
    (['a color photograph: channels differ by 31 of 255'], [])
    """
    if difference > MOST_COLOR:
        yield f"a color photograph: channels differ by {difference:.0f} of 255"
