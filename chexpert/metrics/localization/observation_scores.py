"""CheXlocalize's figures of one observation, from its counts: mIoU in both conventions and hit rate, with intervals."""

import math
from typing import Any

import numpy as np

from chexpert.metrics.bootstrap import Interval, bootstrap_mean
from chexpert.metrics.localization.map_scores import normalise_hit
from chexpert.metrics.localization.mask_counts import Tally
from chexpert.metrics.localization.thresholds import Choice

Table = dict[str, dict[str, Any]]
"""Figures by observation; undefined is NaN, what does not apply None."""


def score(
    tally: Tally, choice: Choice | None, tuned_on: str | None = None, *, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The figures of one observation.

    Images are drawn anew for the intervals from all those of the ground truth, of ``miou_all`` from those that only the
    prediction knows too.

    Returns:
        ``miou`` is over the ``images`` on which both masks have a pixel, ``miou_all`` over those on which one has,
        ``hit_rate`` over those with a mask and a map that is not constant; ``chance`` is the mean area of their masks,
        ``hit_rate_ceiling`` what maps of their grids can reach, and ``hit_rate_normalised`` the hit rate between the
        two; NaN unless every map has a grid.
        ``masks`` is how many images have one, ``maps`` how many have a map, ``without_map`` how many masks have none:
        a miss each. Without a single map all figures are NaN. ``missed`` and ``false_positives`` count the images that
        are 0 in ``miou_all`` for want of the other mask.
    """
    threshold, cutoff, tuned_images = choice or (None, 0.0, None)
    strict, every = (tally.ious(threshold, cutoff, true_positives_only=only) for only in (True, False))
    every = every if tally.given.any() else np.full_like(every, np.nan)
    hits = tally.hit[tally.listed]
    maps = None if choice is None and tally.given.any() else int(tally.given.sum())  # None: given segmentations
    predicted = tally.predicted[:, tally.thresholds.index(threshold)] * ~(tally.probability < cutoff) > 0
    rate = bootstrap_mean(hits, replicates, seed)
    chance, ceiling = _chance(tally), _mean(tally.reachable[np.isfinite(tally.hit)])
    return {
        **_name("miou", bootstrap_mean(strict[tally.listed], replicates, seed)),
        **_name("miou_all", bootstrap_mean(every, replicates, seed)),
        **_name("hit_rate", rate),
        "chance": chance,
        "hit_rate_ceiling": ceiling,
        "hit_rate_normalised": normalise_hit(rate[0], chance, ceiling),
        "masks": int((tally.truth > 0).sum()),
        "maps": maps,
        "without_map": None if maps is None else int(((tally.truth > 0) & ~tally.given).sum()),
        "constant_maps": int(((tally.truth > 0) & np.isfinite(tally.probability) & np.isnan(tally.hit)).sum()),
        "missed": int(((tally.truth > 0) & ~predicted).sum()),
        "false_positives": int(((tally.truth == 0) & predicted).sum()),
        "threshold": threshold,
        "probability_cutoff": cutoff if choice else None,
        "tuned_images": tuned_images,
        "tuned_on": tuned_on,
    }


def _name(figure: str, interval: Interval) -> dict[str, Any]:
    """The interval under the keys of the table; those of ``miou``, the figure of the paper, have no prefix."""
    prefix = "" if figure == "miou" else f"{figure}_"
    value, low, high, images, undefined = interval
    named = {"ci_low": low, "ci_high": high, "images": images, "undefined_replicates": undefined}
    return {figure: value} | {f"{prefix}{key}": each for key, each in named.items()}


def _chance(tally: Tally) -> float:
    return _mean((tally.truth / tally.pixels)[np.isfinite(tally.hit)])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
