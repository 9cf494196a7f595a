"""The metrics of explainers that are compared: where they stand in quality.json, and how they follow from its rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chexpert.metrics.localization.map_scores import divide_by_area, normalize_hits

LEAST_MAPS = 5
"""Below it a mean has no interval: equal ends would read as certainty."""


def take_mean(means: np.ndarray) -> np.ndarray:
    """Return the only mean, (R,) of (R, 1)."""
    return means[:, 0]


@dataclass(frozen=True)
class Metric:
    """A metric of the maps of one observation.

    Attributes:
        key: in quality.json.
        name: in tables.
        columns: K columns of quality.csv, of whose means the metric is a function.
        combine: the function, from means (R, K) to the metric (R,).
        lower_is_better: whether the best value is the lowest.
        ranked: whether explainers are ranked by it.
        meaning: in one line.
        older: the key in quality.json of older versions.
        below: the entry of the observation that holds the key.
    """

    key: str
    name: str
    columns: tuple[str, ...]
    meaning: str
    combine: Callable[[np.ndarray], np.ndarray] = take_mean
    lower_is_better: bool = False
    ranked: bool = True
    older: str = ""
    below: str = ""

    def get(self, observation: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return value, interval and n from an observation's entry in quality.json; None where it is not defined."""
        above = observation.get(self.below, {}) if self.below else observation
        found = above.get(self.key) or above.get(self.older)
        if not isinstance(found, Mapping) or found.get("value") is None:
            return None
        return {key: found.get(key) for key in ("value", "ci_low", "ci_high", "n")}


METRICS = {
    metric.key: metric
    for metric in (
        Metric("hit_normalized", "hit", ("hit", "chance", "reachable"),
               "peak of the map in the finding: 0 at chance, 1 at the ceiling of the explainer's grid",
               normalize_hits, older="hit_normalised"),
        Metric("hit_rate", "hit rate", ("hit",),
               "the same, not scaled; hit ranks in its place", ranked=False),
        Metric("iou", "mIoU", ("iou",), "overlap of the map's Otsu segmentation with the finding"),
        Metric("relevance_over_area", "mass/area", ("mass", "chance"),
               "evidence in the finding over its area: 1 at chance", divide_by_area),
        Metric("gap_over_random", "gap", ("gap_over_random",),
               "insertion less deletion, above that of a random map: 0 at chance"),
        Metric("road", "ROAD", ("road",),
               "logit with the least relevant pixels imputed, less that with the most relevant"),
        Metric("top_block_size", "sanity", ("top_block_size",),
               "mean size of the rank correlation with the maps of shuffled weights: low is good, at most .3 to pass",
               lower_is_better=True, below="sanity"),
        Metric("stability", "stability", ("stability",),
               "rank correlation with the map of another seed, or of a slightly changed image"),
        Metric("border_mass", "border", ("border",),
               "evidence at border and corners over their area: 1 for an even map; not ranked",
               lower_is_better=True, ranked=False),
    )
}  # fmt: skip
"""By key, in the order of the tables."""

MEAN_RANK = "mean_rank"
SORTED_BY = (MEAN_RANK, *METRICS)
"""What the explainers of a model can be sorted by."""
