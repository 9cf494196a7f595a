"""Paired differences between the explainers of a model, on the views that both were scored on."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chexpert.evaluation.explainers.metrics import LEAST_MAPS, METRICS, Metric
from chexpert.evaluation.explainers.models import Entry, ScoredModel
from chexpert.evaluation.explainers.replicates import ViewReplicates
from chexpert.metrics.comparison import adjust_holm, paired_interval, paired_p


def compare_entries(model: ScoredModel, replicates: ViewReplicates) -> list[dict[str, Any]]:
    """Compare each two explainers of a model, of which one at least is no control.

    Returns:
        For each metric and pair the difference ``first`` less ``second``: of each observation, and first of the mean
        over observations (``observation`` None), with ``value``, ``ci_low``, ``ci_high``, ``n`` (views), ``p`` and
        ``p_holm``, which holds for all pairs and the same metric and observation. A difference of fewer than
        five views has neither interval nor p.
    """
    pairs = [pair for pair in combinations(model.entries, 2) if not all(one.control for one in pair)]
    found = []
    for metric in METRICS.values():
        rows = [row for pair in pairs for row in _compare(*pair, metric, model.observations, replicates)]
        for observation in (None, *model.observations):
            found += _adjust([row for row in rows if row["observation"] == observation])
    return found


def _compare(
    first: Entry, second: Entry, metric: Metric, observations: Sequence[str], replicates: ViewReplicates
) -> Iterator[dict[str, Any]]:
    """Yield the differences of the observations that both have maps of, and of their mean."""
    apart: dict[str, np.ndarray] = {}
    views: dict[str, np.ndarray] = {}
    for observation in observations:
        columns = [replicates.select(entry.by_observation.get(observation, {}), metric) for entry in (first, second)]
        both = np.asarray(np.isfinite(columns).all((0, 2)))
        if not both.any():
            continue
        own = [replicates.compute(np.where(both[:, None], one, np.nan), metric) for one in columns]
        if np.isfinite(own[0][0] - own[1][0]):
            apart[observation], views[observation] = own[0] - own[1], both
    names = {"metric": metric.key, "first": first.name, "second": second.name}
    if apart:
        mean, seen = np.mean(list(apart.values()), axis=0), np.any(list(views.values()), axis=0)
        yield names | {"observation": None, "over": list(apart)} | _describe(mean, int(seen.sum()))
    for observation, difference in apart.items():
        yield names | {"observation": observation} | _describe(difference, int(views[observation].sum()))


def _describe(difference: np.ndarray, n: int) -> dict[str, Any]:
    value, rest = float(difference[0]), difference[1:]
    if n < LEAST_MAPS:
        return {"value": value, "ci_low": math.nan, "ci_high": math.nan, "n": n, "p": math.nan}
    interval = paired_interval(value, rest, n)
    ends = {"ci_low": interval.ci_low, "ci_high": interval.ci_high}
    return {"value": value, **ends, "n": n, "p": paired_p(value, rest)}


def _adjust(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    adjusted = adjust_holm([row["p"] for row in rows])
    return [row | {"p_holm": p} for row, p in zip(rows, adjusted, strict=True)]
