"""Controls of a filled region: other images, without the suspect, that are filled at the same place.

Filling leaves a trace, and how much it moves a logit depends on the place: a hole over the heart moves Cardiomegaly in
any image. The same hole in an image of the same label that never showed the suspect moves it as much, for no other
reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from chexpert.explain.shortcuts.case import Case

CONTROLS = 6  # an image and an observation


def draw_controls(
    case: Case, region: np.ndarray, others: Sequence[Case], names: Iterable[str], rng: np.random.Generator
) -> list[int]:
    """Draw the controls of a case: ``CONTROLS`` with the same label of each observation, or all that there are.

    A control may serve several observations. Blank and uncertain labels are alike.

    Args:
        case: shows the suspect.
        region: (H, W) bool, what is filled.
        others: cases without the suspect.
        names: observations.
        rng: orders the others.

    Returns:
        Places in ``others``, in whose images no more of the region lies outside the body.
    """
    order, chosen = rng.permutation(len(others)).tolist(), list[int]()
    outside = np.count_nonzero(region & ~case.body)

    def find(name: str) -> Iterator[int]:
        alike = (place for place in order if place not in chosen and is_alike(others[place], case, name))
        return (place for place in alike if np.count_nonzero(region & ~others[place].body) <= outside)

    for name in names:
        missing = CONTROLS - sum(is_alike(others[place], case, name) for place in chosen)
        chosen += list(islice(find(name), max(0, missing)))
    return chosen


def is_alike(one: Case, other: Case, name: str) -> bool:
    """Return whether two cases have the same label of an observation."""
    return one.labels.get(name) == other.labels.get(name)
