"""How far the seeds of one configuration lie apart, and which difference between runs is a tie."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from chexpert.runs.diff import get_seed_and_fold, group_replicates

LEVEL = 0.05
"""Share of the differences between equal configurations that lie beyond the limit."""
LEAST_DEGREES = 4
"""Degrees of freedom below which no limit is stated: Student's t is above 3, and almost everything would tie."""


def gather_configurations(
    settings: Sequence[Mapping[str, Any]], values: Sequence[float], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return mean and spread over the seeds and folds of each configuration that has more than one run.

    Args:
        settings: of each run, flat; a run without settings is no configuration.
        values: its metric; one that is NaN is left out.
        names: its name.

    Returns:
        By descending mean: ``runs`` (names), ``folds`` (of each; None without folds), ``n``, ``mean``, ``sd``, ``low``
        and ``high`` of all runs; ``sd_seeds``, between the seeds of a fold, with its ``degrees`` of freedom;
        ``difference``, the mean of the first less this mean; ``limit``, below which that is a tie; ``tie``, whether it
        is one. Limit and tie are None where there are too few seeds, or other folds than of the first.
    """
    gathered: list[dict[str, Any]] = []
    for every in group_replicates(settings):
        by_seed = {get_seed_and_fold(settings[place]): place for place in reversed(every)}  # a copy is no replicate
        places = {key: place for key, place in by_seed.items() if math.isfinite(values[place])}
        if len(places) > 1:
            gathered.append(_describe({place: fold for (_, fold), place in places.items()}, values, names))
    gathered.sort(key=lambda group: -group["mean"])
    tie = find_tie(gathered)
    return [group | _compare(group, gathered[0], tie, len(gathered)) for group in gathered]


def _describe(folds: Mapping[int, Any], values: Sequence[float], names: Sequence[str]) -> dict[str, Any]:
    """Describe a configuration by the fold of each of its runs."""
    places = sorted(folds)
    own = [values[place] for place in places]
    parts = [[values[place] for place in places if folds[place] == fold] for fold in dict.fromkeys(folds.values())]
    degrees = len(own) - len(parts)
    squares = sum(float(np.var(np.subtract(part, part[0]))) * len(part) for part in parts)  # 0 of equal seeds
    return {
        "runs": [names[place] for place in places],
        "folds": [folds[place] for place in places],
        "n": len(own), "mean": float(np.mean(own)), "sd": float(np.std(own, ddof=1)), "low": min(own), "high": max(own),
        "sd_seeds": math.sqrt(squares / degrees) if degrees else None, "degrees": degrees,
    }  # fmt: skip


def _compare(
    group: Mapping[str, Any], first: Mapping[str, Any], tie: Mapping[str, Any] | None, count: int
) -> dict[str, Any]:
    """Compare a configuration with the best of ``count``."""
    difference, limit = first["mean"] - group["mean"], None
    if tie and tie["limit"] is not None and _share(group) == _share(first):  # else patients make a difference, too
        reach = find_reach(tie["degrees"], max(count - 1, 1))
        limit = reach * tie["sd"] * math.sqrt(1 / first["n"] + 1 / group["n"])
    return {"difference": difference, "limit": limit, "tie": None if limit is None else difference <= limit}


def _share(group: Mapping[str, Any]) -> dict[Any, float]:
    """Return the share of each fold in the runs."""
    return {fold: count / group["n"] for fold, count in Counter(group["folds"]).items()}


def find_reach(degrees: int, comparisons: int = 1) -> float:
    """Return the quantile of Student's t for so many comparisons at once (Bonferroni).

    >>> round(find_reach(4), 3), round(find_reach(10, 4), 3)
    (2.776, 3.038)
    """
    return float(stdtrit(degrees, 1 - LEVEL / 2 / comparisons))


def find_tie(configurations: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the difference below which two runs tie.

    Two runs that differ by their seed alone differ by less than t sqrt(2) sd in 95 of 100 cases: sd is the standard
    deviation between the seeds of a configuration and fold, pooled over all of them, and t the quantile of Student's t
    at its degrees of freedom.

    Args:
        configurations: ``sd_seeds`` and ``degrees`` of each.

    Returns:
        ``degrees`` of freedom; ``sd``, None without a degree; ``limit``, None with fewer than 4. None without two runs
        of one configuration.

    >>> round(find_tie([{"degrees": 4, "sd_seeds": 0.01}])["limit"], 4)
    0.0393
    """
    if not configurations:
        return None
    degrees = sum(group["degrees"] for group in configurations)
    if not degrees:
        return {"limit": None, "sd": None, "degrees": 0}
    squares = sum(group["degrees"] * group["sd_seeds"] ** 2 for group in configurations if group["degrees"])
    sd = math.sqrt(squares / degrees)
    limit = find_reach(degrees) * math.sqrt(2) * sd if degrees >= LEAST_DEGREES else None
    return {"limit": limit, "sd": sd, "degrees": degrees}
