"""Figures of an observation over its maps, with intervals, as they stand in explanations/quality.json."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chexpert.explain.geometry import GEOMETRY
from chexpert.explain.quality.sanity import MOST_ALIKE
from chexpert.metrics import Interval, bootstrap_mean, bootstrap_of_means
from chexpert.metrics.localization.map_scores import divide_by_area, normalize_hits
from chexpert.runs.files import or_none

LEAST_MAPS = 5  # below it a mean has no interval, and the check is neither passed nor failed

DEFINITIONS = {
    "n": "views with the observation present that were explained; each metric has its own n",
    "true_positives": "those that the model predicts (Youden threshold); curves, gaps and road are of the first",
    "without_evidence": "maps in which no pixel speaks for the observation: no hit or miss, but never right",
    "hit_rate": "peak of the map inside the mask, on the image; of a flat peak the share inside",
    "chance": "hit rate of a peak anywhere: the mask's share of the image",
    "ceiling": "share of masks that contain the center of a cell of the explainer's grid",
    "hit_normalized": "(hit_rate - chance) / (ceiling - chance)",
    "relevance_mass": "share of the positive evidence inside the mask",
    "relevance_over_area": "mean relevance mass over the masks' mean share of the image",
    "rank_accuracy": "share of the map's highest pixels, as many as the mask has, inside the mask",
    "iou": "overlap of the mask with the map's Otsu segmentation",
    "deletion": "area under the logit, from the blurred image (0) to the image (1), as the map's pixels are hidden",
    "insertion": "the same as they are shown; both undefined where the image's logit is not .5 above the blurred one's",
    "gap": "insertion - deletion",
    "gap_over_random": "this gap less that of a random smooth map, view by view",
    "gap_logit_over_random": "the same in logits, defined for every view",
    "road": "logit with the least relevant pixels imputed less that with the most relevant, mean of 20 to 80 %",
    "sanity": f"rank correlation with the maps after shuffling weights from the top; passed: mean size <= {MOST_ALIKE}",
    "stability": "rank correlation with the map of another seed, or of the image with noise of 1 % (stability_of)",
    "border_mass": f"share of the positive evidence at border and corners, over that area; {GEOMETRY}",
    "between_observations": "rank correlation with the view's maps of other observations",
    "right_for_the_right_reason": "share of true positives (Youden threshold, with a mask) whose map peaks in the mask",
}


def summarize(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Compute the metrics of one observation from the rows of its maps."""
    hits = [row for row in rows if not math.isnan(row.get("hit", math.nan))]
    by_chance, ceiling = mean(hits, "chance"), mean(hits, "reachable")
    area = mean([row for row in rows if not math.isnan(row.get("mass", math.nan))], "chance")
    plain = ("rank_accuracy", "iou", "insertion", "deletion", "gap", "gap_over_random", "gap_logit_over_random", "road")
    return {
        "n": len(rows),
        "true_positives": sum(row["predicted"] == 1 for row in rows),
        "without_evidence": sum(row["evidence"] == 0 for row in rows),
        "hit_rate": interval(rows, "hit"),
        "chance": or_none(by_chance),
        "ceiling": or_none(ceiling),
        "hit_normalized": joint_interval(rows, ("hit", "chance", "reachable"), normalize_hits),
        "relevance_mass": interval(rows, "mass"),
        "area": or_none(area),
        "relevance_over_area": joint_interval(rows, ("mass", "chance"), divide_by_area),
        **{key: interval(rows, key) for key in plain},
        "sanity": evaluate_sanity(rows),
        "stability": interval(rows, "stability"),
        "border_mass": interval(rows, "border"),
        "between_observations": interval(rows, "between"),
        "right_for_the_right_reason": interval(rows, "right"),
    }


def evaluate_sanity(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Evaluate if maps change with the weights: after the top block, and block by block down to the stem.

    The size counts: maps of another sign are no less alike, and signs that come by chance would cancel out.
    """
    top, size = interval(rows, "top_block"), interval(rows, "top_block_size")
    depths = sorted({int(key.rpartition("_")[2]) for row in rows for key in row if key.startswith("cascade_")})
    deeper = [[row.get(f"cascade_{depth}", math.nan) for row in rows] for depth in depths]
    return {
        "top_block": top,
        "top_block_size": size,
        "cascade": [top["value"], *(or_none(_mean_defined(rhos)) for rhos in deeper)] if depths else [],
        "cascade_size": [size["value"], *(or_none(_mean_defined(map(abs, rhos))) for rhos in deeper)] if depths else [],
        "passed": size["value"] <= MOST_ALIKE if size["n"] >= LEAST_MAPS else None,
    }


def interval(rows: Sequence[Mapping[str, float]], key: str) -> dict[str, Any]:
    """Compute the mean of a metric over the rows in which it is defined, with its interval."""
    return _describe(bootstrap_mean([row.get(key, math.nan) for row in rows]))


def joint_interval(
    rows: Sequence[Mapping[str, float]], keys: Sequence[str], combine: Callable[[np.ndarray], np.ndarray]
) -> dict[str, Any]:
    """Compute a metric of several means; a replicate computes all of them over its resampled rows."""
    values = np.array([[row.get(key, math.nan) for key in keys] for row in rows]).reshape(-1, len(keys))
    found = bootstrap_of_means(values, combine)
    return _describe(found) | {"undefined_replicates": found.undefined_replicates}


def _describe(found: Interval) -> dict[str, Any]:
    """An interval for quality.json: without ends below ``LEAST_MAPS``, where equal ones would read as certainty."""
    low, high = (found.ci_low, found.ci_high) if found.n >= LEAST_MAPS else (math.nan, math.nan)
    return {"value": or_none(found.value), "ci_low": or_none(low), "ci_high": or_none(high), "n": found.n}


def mean(rows: Sequence[Mapping[str, float]], key: str) -> float:
    """Compute the mean over the rows in which a metric is defined; NaN if there is none."""
    return _mean_defined(row.get(key, math.nan) for row in rows)


def _mean_defined(values: Iterable[float]) -> float:
    """Mean of the defined values; NaN if there is none."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan
