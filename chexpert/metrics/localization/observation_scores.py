"""CheXlocalize's metrics of one observation, from its counts: mIoU in both conventions and hit rate, with intervals."""

import math
from typing import Any

import numpy as np

from chexpert.metrics.bootstrap import Interval, bootstrap_mean
from chexpert.metrics.localization.map_scores import normalize_hit
from chexpert.metrics.localization.mask_counts import MaskCounts
from chexpert.metrics.localization.thresholds import Choice

Table = dict[str, dict[str, Any]]
"""Metrics by observation; undefined is NaN, what does not apply None."""


def score(
    mask_counts: MaskCounts,
    choice: Choice | None,
    *,
    tuned_on: str | None = None,
    tuned_by: str | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compute the metrics of one observation.

    The intervals resample all images of the ground truth; those of ``miou_all`` also resample the images that only the
    prediction knows.

    Returns:
        ``miou`` is over the ``images`` on which both masks have a pixel, ``miou_all`` over those on which one has,
        ``hit_rate`` over those with a mask and a map that is not constant; ``chance`` is the mean area of their masks,
        ``hit_rate_ceiling`` what maps of their grids can reach, and ``hit_rate_normalized`` the hit rate between the
        two; NaN unless every map has a grid.
        ``masks`` is how many images have one, ``maps`` how many have a map, ``without_map`` how many masks have none:
        a miss each. Without a single map all metrics are NaN. ``missed`` and ``false_positives`` count the images that
        are 0 in ``miou_all`` for want of the other mask.
    """
    threshold, cutoff, tuned_images = choice or (None, 0.0, None)
    strict, every = (mask_counts.ious(threshold, cutoff, true_positives_only=only) for only in (True, False))
    every = every if mask_counts.given.any() else np.full_like(every, np.nan)
    hits = mask_counts.hit[mask_counts.listed]
    maps = (
        None if choice is None and mask_counts.given.any() else int(mask_counts.given.sum())
    )  # None: given segmentations
    predicted = (
        mask_counts.predicted[:, mask_counts.thresholds.index(threshold)] * ~(mask_counts.probability < cutoff) > 0
    )
    rate = bootstrap_mean(hits, replicates, seed)
    chance, ceiling = _chance(mask_counts), _mean(mask_counts.reachable[np.isfinite(mask_counts.hit)])
    return {
        **_name("miou", bootstrap_mean(strict[mask_counts.listed], replicates, seed)),
        **_name("miou_all", bootstrap_mean(every, replicates, seed)),
        **_name("hit_rate", rate),
        "chance": chance,
        "hit_rate_ceiling": ceiling,
        "hit_rate_normalized": normalize_hit(rate[0], chance, ceiling),
        "masks": int((mask_counts.truth > 0).sum()),
        "maps": maps,
        "without_map": None if maps is None else int(((mask_counts.truth > 0) & ~mask_counts.given).sum()),
        "constant_maps": int(
            ((mask_counts.truth > 0) & np.isfinite(mask_counts.probability) & np.isnan(mask_counts.hit)).sum()
        ),
        "missed": int(((mask_counts.truth > 0) & ~predicted).sum()),
        "false_positives": int(((mask_counts.truth == 0) & predicted).sum()),
        "threshold": threshold,
        "probability_cutoff": cutoff if choice else None,
        "tuned_images": tuned_images,
        "tuned_on": tuned_on,
        "tuned_by": tuned_by,
    }


def _name(metric: str, interval: Interval) -> dict[str, Any]:
    """The interval under the keys of the table; those of ``miou``, the metric of the paper, have no prefix."""
    prefix = "" if metric == "miou" else f"{metric}_"
    value, low, high, images, undefined = interval
    named = {"ci_low": low, "ci_high": high, "images": images, "undefined_replicates": undefined}
    return {metric: value} | {f"{prefix}{key}": each for key, each in named.items()}


def _chance(mask_counts: MaskCounts) -> float:
    return _mean((mask_counts.truth / mask_counts.pixels)[np.isfinite(mask_counts.hit)])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
