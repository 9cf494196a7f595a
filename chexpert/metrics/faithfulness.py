"""Whether a model's output follows the pixels that a map ranks first: deletion and insertion (Petsiuk et al. 2018)."""

import math
from typing import NamedTuple

import numpy as np

LEAST_CHANGE = 0.5
"""Of a logit, from the hidden film to the full one: below it the scale of a curve is noise, or upside down."""


class Faithfulness(NamedTuple):
    """What two curves say of a map.

    Attributes:
        deletion: area under the deletion curve, the logit scaled to 0 on the hidden film and 1 on the full one; it
            can leave [0, 1], as the logits in between can. NaN where the film's logit is not ``LEAST_CHANGE`` above
            the hidden film's: then what is hidden did not speak for the observation.
        insertion: likewise.
        gap: insertion - deletion; what chance gives is not 0, but what a random map gets.
        gap_logit: the same in logits, always defined.
    """

    deletion: float
    insertion: float
    gap: float
    gap_logit: float


def judge_curves(deletion: np.ndarray, insertion: np.ndarray) -> Faithfulness:
    """Areas under the curves of one map and one observation.

    Args:
        deletion: (T,) logits at equal steps while the pixels that rank first are hidden: full film to hidden one.
        insertion: (T,) logits while they are shown on the hidden film: hidden film to full one.

    >>> judge_curves(np.array([3.0, 1.0, 1.0]), np.array([1.0, 3.0, 3.0]))
    Faithfulness(deletion=0.25, insertion=0.75, gap=0.5, gap_logit=1.0)
    """
    hidden, change = float(insertion[0]), float(deletion[0] - insertion[0])
    lost, found = curve_area(deletion), curve_area(insertion)
    scale = change if change >= LEAST_CHANGE else math.nan
    return Faithfulness((lost - hidden) / scale, (found - hidden) / scale, (found - lost) / scale, found - lost)


def curve_area(values: np.ndarray) -> float:
    """Area under a curve of values (T,) at equal steps of a share from 0 to 1, by trapezoids.

    >>> curve_area(np.array([1.0, 0.0, 0.0]))
    0.25
    """
    steps = np.asarray(values, dtype="float64")
    return float((steps[1:] + steps[:-1]).mean() / 2)
