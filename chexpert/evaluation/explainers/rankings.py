"""Rankings of the explainers of a model by several metrics, and how far they agree.

Metrics of explanations conflict, so LATEC (arxiv.org/abs/2409.16756) ranks by an aggregate over them, and reports how
far the rankings disagree.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chexpert.evaluation.explainers.metrics import METRICS

LEAST_EXPLAINERS = 3
"""Of two explainers, two rankings are either equal or opposite."""

Means = Mapping[str, Mapping[str, float]]
"""By explainer and metric, the mean over observations; a metric that an explainer has not is left out."""


def rank_explainers(means: Means) -> dict[str, dict[str, float]]:
    """Return the rank of each explainer by each metric that all have; 1 is best, ties share their mean rank.

    >>> rank_explainers({"lime": {"iou": 0.2, "top_block_size": 0.1}, "gradcam": {"iou": 0.3, "top_block_size": 0.4}})
    {'lime': {'iou': 2.0, 'top_block_size': 1.0}, 'gradcam': {'iou': 1.0, 'top_block_size': 2.0}}
    """
    from scipy.stats import rankdata  # takes half a second

    ranked: dict[str, dict[str, float]] = {name: {} for name in means}
    for key, values in _orient(means).items():
        for name, rank in zip(means, rankdata(-values), strict=True):
            ranked[name][key] = float(rank)
    return ranked


def average_ranks(ranks: Mapping[str, float]) -> float:
    """Return the mean rank over metrics; NaN of none."""
    return sum(ranks.values()) / len(ranks) if ranks else math.nan


def compare_rankings(means: Means) -> dict[str, Any]:
    """Compare the rankings by each two metrics by Kendall's tau-b.

    Args:
        means: of the explainers that are ranked.

    Returns:
        ``metrics`` that all explainers have, ``explainers`` (how many), ``pairs`` of metrics with ``tau`` in [-1, 1]
        (NaN where a metric ranks all the same), ``opposed`` (pairs with a tau below 0), ``median`` and ``lowest``, the
        pair that disagrees most. Of fewer than three explainers there are no pairs.
    """
    from scipy.stats import kendalltau

    oriented = _orient(means)
    content: dict[str, Any] = {"metrics": list(oriented), "explainers": len(means), "pairs": []}
    if len(means) >= LEAST_EXPLAINERS:
        content["pairs"] = [
            {"first": first, "second": second, "tau": float(kendalltau(oriented[first], oriented[second]).statistic)}
            for first, second in combinations(oriented, 2)
        ]
    return content | _summarize(content["pairs"])


def _summarize(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    defined = [pair for pair in pairs if not math.isnan(pair["tau"])]
    taus = [pair["tau"] for pair in defined]
    return {
        "defined": len(defined),
        "opposed": sum(tau < 0 for tau in taus),
        "median": float(np.median(taus)) if taus else math.nan,
        "lowest": min(defined, key=lambda pair: pair["tau"], default=None),
    }


def _orient(means: Means) -> dict[str, np.ndarray]:
    """Return the values of each ranked metric that all explainers have, high is good."""
    keys = [key for key, metric in METRICS.items() if metric.ranked and all(key in own for own in means.values())]
    signs = {key: -1 if METRICS[key].lower_is_better else 1 for key in keys}
    return {key: signs[key] * np.array([own[key] for own in means.values()]) for key in keys if means}
