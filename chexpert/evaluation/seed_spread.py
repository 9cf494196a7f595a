"""How far the seeds of one configuration lie apart, and which difference between runs is a tie."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from chexpert.runs.diff import get_seed_and_fold, group_replicates

REACH = float(ndtri(0.975))
"""Standard deviations on either side of the mean that hold 95 % of normal values."""


def gather_configurations(
    settings: Sequence[Mapping[str, Any]], values: Sequence[float], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return mean and spread over the seeds and folds of each configuration that has more than one run.

    Args:
        settings: of each run, flat; a run without settings is no configuration.
        values: its metric; one that is NaN is left out.
        names: its name.

    Returns:
        By descending mean: ``runs`` (names), ``n``, ``mean``, ``sd``, ``low``, ``high``; ``behind``, the mean of the
        first less this mean; ``limit``, below which that is a tie; ``tie``, whether it is one.
    """
    gathered: list[dict[str, Any]] = []
    for every in group_replicates(settings):
        by_seed = {get_seed_and_fold(settings[place]): place for place in reversed(every)}  # a copy is no replicate
        places = [place for place in sorted(by_seed.values()) if math.isfinite(values[place])]
        own = [values[place] for place in places]
        if len(own) > 1:
            spread = {"n": len(own), "mean": float(np.mean(own)), "sd": float(np.std(own, ddof=1))}
            gathered.append({"runs": [names[place] for place in places]} | spread | {"low": min(own), "high": max(own)})
    gathered.sort(key=lambda group: -group["mean"])
    tie = find_tie(gathered)
    return [group | _compare(group, gathered[0], tie["sd"] if tie else 0.0) for group in gathered]


def _compare(group: Mapping[str, Any], first: Mapping[str, Any], sd: float) -> dict[str, Any]:
    behind, limit = first["mean"] - group["mean"], REACH * sd * math.sqrt(1 / first["n"] + 1 / group["n"])
    return {"behind": behind, "limit": limit, "tie": behind <= limit}


def find_tie(configurations: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the difference below which two runs tie: the repeatability limit of the seeds.

    Two runs of one configuration differ by less than 1.96 sqrt(2) sd in 95 of 100 cases (Bland and Altman 1986; ISO
    5725-6), where sd is the standard deviation within a configuration, pooled over all of them.

    Args:
        configurations: ``n`` and ``sd`` of each.

    Returns:
        ``limit``, ``sd``, ``runs`` and ``configurations``; None without two runs of one configuration.

    >>> round(find_tie([{"n": 3, "sd": 0.01}])["limit"], 4)
    0.0277
    """
    degrees = sum(group["n"] - 1 for group in configurations)
    if not degrees:
        return None
    sd = math.sqrt(sum((group["n"] - 1) * group["sd"] ** 2 for group in configurations) / degrees)
    runs = sum(group["n"] for group in configurations)
    return {"limit": REACH * math.sqrt(2) * sd, "sd": sd, "runs": runs, "configurations": len(configurations)}
