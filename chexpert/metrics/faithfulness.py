"""Whether a model's output follows the pixels that a map ranks first: deletion and insertion (Petsiuk et al. 2018)."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

LEAST_CHANGE = 0.5
"""Of a logit, from the hidden image to the full one: below it the scale of a curve is noise, or upside down."""


class Faithfulness(NamedTuple):
    """What two curves say of a map.

    Attributes:
        deletion: area under the deletion curve, the logit scaled to 0 on the hidden image and 1 on the full one; it
            can leave [0, 1], as the logits in between can. NaN where the image's logit is not ``LEAST_CHANGE`` above
            the hidden image's: then what is hidden did not speak for the observation.
        insertion: likewise.
        gap: insertion - deletion; what chance gives is not 0, but what a random map gets.
        gap_logit: the same in logits, always defined.
    """

    deletion: float
    insertion: float
    gap: float
    gap_logit: float


def evaluate_curves(deletion: np.ndarray, insertion: np.ndarray, shares: ArrayLike) -> Faithfulness:
    """Compute the areas under the deletion and the insertion curve of one map and one observation.

    Args:
        deletion: (T,) logits while the pixels that rank first are hidden: full image to hidden one.
        insertion: (T,) logits while they are shown on the hidden image: hidden image to full one.
        shares: (T,) of the image that are hidden, or shown: from 0 to 1.

    Returns:
        Both areas and their difference, scaled so that the hidden image has 0 and the full one 1; NaN where the full
        image's logit is less than ``LEAST_CHANGE`` above the hidden image's. The difference also in logits.

    >>> evaluate_curves(np.array([3.0, 1.0, 1.0]), np.array([1.0, 3.0, 3.0]), [0, 0.5, 1])
    Faithfulness(deletion=0.25, insertion=0.75, gap=0.5, gap_logit=1.0)
    """
    hidden, change = float(insertion[0]), float(deletion[0] - insertion[0])
    lost, found = curve_area(deletion, shares), curve_area(insertion, shares)
    scale = change if change >= LEAST_CHANGE else math.nan
    return Faithfulness((lost - hidden) / scale, (found - hidden) / scale, (found - lost) / scale, found - lost)


def curve_area(values: ArrayLike, shares: ArrayLike) -> float:
    """Compute the area under a curve by trapezoids.

    Args:
        values: (T,) heights of the curve.
        shares: (T,) places of the heights, rising.

    Returns:
        The area, in units of the values where the shares run from 0 to 1.

    >>> curve_area([1.0, 0.0, 0.0], [0, 0.5, 1])
    0.25
    """
    heights, at = (np.asarray(one, dtype="float64") for one in (values, shares))
    return float((np.diff(at) * (heights[1:] + heights[:-1])).sum() / 2)
