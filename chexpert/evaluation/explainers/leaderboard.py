"""The explanation leaderboard: explainers by model and observation, their means, ranks and differences."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.explainers.differences import compare_entries
from chexpert.evaluation.explainers.metrics import LEAST_MAPS, MEAN_RANK, METRICS, SORTED_BY, Metric
from chexpert.evaluation.explainers.models import Entry, ScoredModel, describe_network, group_models
from chexpert.evaluation.explainers.published import read_published
from chexpert.evaluation.explainers.quality_files import Quality, read_quality
from chexpert.evaluation.explainers.rankings import average_ranks, compare_rankings, rank_explainers
from chexpert.evaluation.explainers.replicates import ViewReplicates, mean_over
from chexpert.evaluation.explainers.saliency_card import read_hyperparameters, write_card
from chexpert.evaluation.join import count_studies
from chexpert.metrics import choose_unit
from chexpert.metrics.bootstrap import find_ends

NOTHING = {"value": None, "ci_low": None, "ci_high": None, "n": 0}


def compare_explainers(
    folders: Sequence[Path], *, by: str = MEAN_RANK, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Compare the explainers of runs, from the scores that the runs stored.

    Args:
        folders: run folders, and folders of ``chexpert explain --out``; those of the same weights are one model.
        by: what the explainers of a model are sorted by: ``mean_rank``, or a metric of ``METRICS``.
        replicates: number of bootstrap replicates; each samples studies with replacement, for all explainers at once.
        seed: seed of the resampling.

    Returns:
        ``models``, each with its ``explainers`` from the best to the worst (``observations``: metrics with interval and
        n; ``mean``: over observations, of which n is the number; ``ranks``, ``mean_rank``; ``cost``; ``card``),
        ``mean_over`` (the observations of each mean), ``left_out`` (by a time budget), ``differences`` and
        ``rankings``; ``same_views``, whether all models were scored on the same views; ``published``, values of others
        for context; ``metrics``, how to read them. Controls are not ranked.

    Raises:
        UserError: a folder is no run, or has no scores of explainers.
    """
    if by not in SORTED_BY:
        raise UserError(f"nothing to sort by: {by}", code="choice", where="--by", hint=f"one of {', '.join(SORTED_BY)}")
    read = [read_quality(folder) for folder in folders]
    _check_repeated(read)
    models = group_models(read)
    views = [model.views for model in models]
    return {
        "models": [_describe_model(model, by, replicates, seed) for model in models],
        "same_views": all(own == views[0] for own in views) if all(views) else None,
        "by": by,
        "bootstrap": {"replicates": replicates, "seed": seed, "unit": choose_unit(chain(*views))},
        "metrics": {
            key: {"name": one.name, "meaning": one.meaning, "lower_is_better": one.lower_is_better,
                  "ranked": one.ranked}
            for key, one in METRICS.items()
        },
        "published": read_published(),
    }  # fmt: skip


def _check_repeated(folders: Sequence[Quality]) -> None:
    """A run folder and its folder of explanations have the same scores."""
    places = [quality.explanations.resolve() for quality in folders]
    for row, place in enumerate(places):
        if place in places[:row]:
            where = str(folders[row].folder)
            raise UserError("its scores are given twice", code="repeated", where=where, hint="give each folder once")


def _describe_model(model: ScoredModel, by: str, replicates: int, seed: int) -> dict[str, Any]:
    resampled = ViewReplicates(model.views, replicates, seed) if model.views else None
    over = {key: find_shared(model, metric) for key, metric in METRICS.items()}
    means = {
        entry.name: {key: describe_mean(entry, METRICS[key], over[key], resampled) for key in METRICS}
        for entry in model.entries
    }
    defined = {
        entry.name: {key: mean["value"] for key, mean in means[entry.name].items() if mean["value"] is not None}
        for entry in model.entries
        if not entry.control
    }
    # metrics rank if all explainers have them, so one without any value would leave the others without a rank
    ranked = {name: own for name, own in defined.items() if own}
    ranks = rank_explainers(ranked)
    content = model.folders[0].content
    explainers = [
        _describe_entry(entry, model, means[entry.name], ranks.get(entry.name, {})) for entry in model.entries
    ]
    return {
        "folders": [str(one.folder) for one in model.folders],
        "network": describe_network(model.config),
        "views": len(model.views) or content.get("views"),
        "studies": count_studies(sorted(model.views), "image") if resampled else None,
        "split": content.get("split", "valid"),
        "masks": any(one.content.get("masks") for one in model.folders),
        "synthetic": any(one.content.get("synthetic") for one in model.folders),
        "observations": model.observations,
        "mean_over": over,
        "left_out": list_left_out(model),
        "explainers": sorted(explainers, key=lambda own: _order(own, by)),
        "differences": compare_entries(model, resampled) if resampled else [],
        "rankings": compare_rankings(ranked),
    }


def list_left_out(model: ScoredModel) -> list[dict[str, Any]]:
    """List what a time budget left out: ``minutes``, and for each ``explainer`` and ``step``, ``done`` and ``of``."""
    names = {(id(entry.quality), entry.explainer): entry.name for entry in model.entries}
    found = []
    for quality in model.folders:
        budget = quality.content.get("time_budget") or {}
        for one in budget.get("left_out") or ():
            name = names.get((id(quality), one["explainer"]), one["explainer"])
            found.append(one | {"explainer": name, "minutes": budget.get("minutes")})
    return found


def find_shared(model: ScoredModel, metric: Metric) -> list[str]:
    """Return the observations over which means are comparable: those of all explainers that have the metric at all."""
    defined = [
        {name for name, own in entry.scored["observations"].items() if metric.get(own)}
        for entry in model.entries
        if not entry.control
    ]
    shared = set.intersection(*filter(None, defined)) if any(defined) else set()
    return [name for name in model.observations if name in shared]


def describe_mean(
    entry: Entry, metric: Metric, observations: Sequence[str], resampled: ViewReplicates | None
) -> dict[str, Any]:
    """Return the mean of a metric over observations, and from the rows of single maps its interval.

    ``n`` is the number of observations, ``maps`` that of their values. Undefined where one of them has no value.
    """
    found = [metric.get(entry.scored["observations"].get(name, {})) for name in observations]
    if not found or None in found:
        return NOTHING | {"maps": 0}
    defined = [own for own in found if own]
    value, maps = float(np.mean([own["value"] for own in defined])), sum(own["n"] for own in defined)
    ends: tuple[float | None, float | None] = None, None
    if resampled and entry.rows and maps >= LEAST_MAPS:
        rows = entry.by_observation
        each = {name: resampled.compute(resampled.select(rows.get(name, {}), metric), metric) for name in observations}
        rest = mean_over(each, observations)[1:]
        if np.isfinite(rest).any():
            ends = find_ends(rest[np.isfinite(rest)])
    return {"value": value, "ci_low": ends[0], "ci_high": ends[1], "n": len(defined), "maps": maps}


def _describe_entry(
    entry: Entry, model: ScoredModel, mean: Mapping[str, Any], ranks: Mapping[str, float]
) -> dict[str, Any]:
    own = entry.scored["observations"]
    settings = read_hyperparameters(entry, model.config)
    cost = describe_cost(entry.scored) | {
        "passes_at_most": "converged" in settings,
        "device": entry.quality.content.get("device"),
    }
    return {
        "name": entry.name,
        "explainer": entry.explainer,
        "control": entry.control,
        "folder": str(entry.quality.folder),
        "views": entry.scored.get("views"),
        "observations": {
            name: {key: metric.get(own[name]) or NOTHING for key, metric in METRICS.items()}
            for name in model.observations
            if name in own
        },
        "mean": mean,
        "ranks": ranks,
        "mean_rank": None if entry.control else average_ranks(ranks),
        "cost": cost,
        "card": write_card(entry, settings, mean, cost),
    }


def describe_cost(scored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the maps of an explainer cost; an older version stored the seconds of all maps alone."""
    maps = scored.get("maps") or sum(own.get("n", 0) for own in scored["observations"].values())
    seconds = scored.get("seconds_explaining")
    older = seconds / maps if seconds is not None and maps else None
    return {
        "maps": maps,
        "seconds_per_map": scored.get("seconds_per_map", older),
        "passes_per_map": scored.get("passes_per_map"),
        "memory_limit_mib": scored.get("memory_limit_mib"),
        "peak_memory_mib": scored.get("peak_memory_mib") or {"process": None, "device": None},
    }


def _order(explainer: Mapping[str, Any], by: str) -> tuple[bool, bool, float]:
    """Best first; controls last, and before them those without a value."""
    value = explainer["mean_rank"] if by == MEAN_RANK else explainer["mean"][by]["value"]
    missing = value is None or math.isnan(value)
    high = by != MEAN_RANK and not METRICS[by].lower_is_better
    return explainer["control"], missing, 0.0 if missing else -value if high else value
