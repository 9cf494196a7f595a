"""Controls of a filled region: other images, without the suspect, that are filled at the same place.

Filling leaves a trace, and how much it moves a logit depends on the place: a hole over the heart moves Cardiomegaly in
any image. The same hole in an image of the same label that does not show the suspect moves it as much, for no other
reason.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice

import numpy as np

from chexpert.explain.shortcuts.case import Case
from chexpert.metrics.bootstrap import ENDS, Interval

CONTROLS = 6  # of an image, for each observation
MOST_OTHERS = 500  # images among which controls are looked for
MOST_OUTSIDE = 0.05
"""Of the region: by so much its share outside the body may differ between an image and its control."""


def find_others(cases: Sequence[Case], suspect: str, rng: np.random.Generator) -> list[Case]:
    """Return the cases that may be controls: without the suspect, by their outlines and their label; 500 at most."""
    others = [case for case in cases if suspect not in case.regions and case.labels.get(suspect) != 1]
    return [others[index] for index in sorted(rng.permutation(len(others))[:MOST_OTHERS])]


def sample_controls(
    case: Case, region: np.ndarray, others: Sequence[Case], names: Iterable[str], rng: np.random.Generator
) -> dict[str, list[int]]:
    """Sample the controls of a case for each observation: ``CONTROLS`` of the same label, or all that there are.

    Those of an observation do not depend on the other observations that are asked for.

    Args:
        case: shows the suspect.
        region: (H, W) bool, what is filled.
        others: cases without the suspect.
        names: observations. Blank and uncertain labels are alike.
        rng: orders the others.

    Returns:
        Indices of ``others`` by observation.
    """
    order = rng.permutation(len(others)).tolist()
    fits = cache(lambda index: _is_comparable(case, others[index], region))
    return {
        name: list(
            islice((i for i in order if others[i].labels.get(name) == case.labels.get(name) and fits(i)), CONTROLS)
        )
        for name in names
    }


def bootstrap_above_controls(losses: np.ndarray, controls: np.ndarray, replicates: int = 1000) -> Interval:
    """Compute the mean loss of a logit above that of the controls, with its 95 % interval.

    Images and controls are resampled apart: a few controls may serve many images, and are as much a sample as these.

    Args:
        losses: (n,) of images that show the suspect.
        controls: (n, P) of P other images, NaN where one is no control of the image.
        replicates: number of replicates.

    Returns:
        The mean over the images that have a control; ``n`` counts them.
    """
    known = np.isfinite(controls)
    images, others = known.any(1), known.any(0)
    if not images.any():
        return Interval(np.nan, np.nan, np.nan, 0, replicates)
    own, known = losses[images], known[images][:, others].astype("float64")
    known_losses = np.nan_to_num(controls[images][:, others])
    rng = np.random.default_rng(0)
    counts = [rng.multinomial(size, np.full(size, 1 / size), replicates) for size in known.shape]
    # the first column counts every image once: it gives the value, the others the interval
    weights, chosen = (np.vstack([np.ones(count.shape[1]), count]).T.astype("float64") for count in counts)
    total = known @ chosen
    means = np.divide(known_losses @ chosen, total, out=np.zeros_like(total), where=total > 0)
    weights = weights * (total > 0)
    count = weights.sum(0)
    values = np.divide(
        (weights * (own[:, None] - means)).sum(0), count, out=np.full_like(count, np.nan), where=count > 0
    )
    defined = values[1:][np.isfinite(values[1:])]
    low, high = np.quantile(defined, ENDS) if len(defined) else (np.nan, np.nan)
    return Interval(float(values[0]), float(low), float(high), int(images.sum()), replicates - len(defined))


def _is_comparable(case: Case, other: Case, region: np.ndarray) -> bool:
    """Return whether the same pixels are about the same place: of the same projection, inside the body as much."""
    if case.name.endswith("lateral") != other.name.endswith("lateral"):
        return False
    outside = [np.count_nonzero(region & ~one.body) for one in (case, other)]
    return bool(abs(outside[0] - outside[1]) <= MOST_OUTSIDE * np.count_nonzero(region))
