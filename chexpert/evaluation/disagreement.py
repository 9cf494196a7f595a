"""How far the members of an ensemble err together, pair by pair and observation by observation."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.ensemble import align_member
from chexpert.evaluation.join import join_labels
from chexpert.evaluation.predictions import Named
from chexpert.metrics.disagreement import Disagreement, disagreement
from chexpert.runs.files import or_none

VALUES = ("q", "correlation")
COUNTS = ("both_right", "only_first_right", "only_second_right", "both_wrong")
SINGLE = "one member alone disagrees with nobody"
NO_PROBABILITIES = "scores outside [0, 1] have no errors p - y: give probabilities"


def evaluate_disagreement(
    members: Mapping[str, Sequence[Named]],
    labels: Named,
    level: str = "image",
    views: str = "max",
    threshold: float = 0.5,
) -> dict[str, Any]:
    """Compare the errors of each pair of members of an ensemble.

    Args:
        members: of each observation, as :func:`chexpert.evaluation.ensemble.average` takes them.
        labels: of the rows; those without a label do not count.
        level: ``image`` or ``study``, at which the members are.
        views: ``max``, ``mean`` or ``noisy_or``, by which they became studies.
        threshold: at which a member is right or wrong.

    Returns:
        ``threshold``, ``level``, ``labels``, ``members``; by observation ``pairs`` (their places among the members,
        ``q``, ``correlation``, counts, ``n``, and ``why`` where one is undefined) and the means over the pairs that
        have a value; and the means over observations of these means.

    Raises:
        UserError: members or labels of other rows.
    """
    observations = {name: _evaluate_observation(name, own, labels, level, views, threshold)
                    for name, own in members.items()}  # fmt: skip
    names = list(dict.fromkeys(str(member.path) for own in members.values() for member in own))
    return {
        "threshold": threshold, "level": level, "labels": str(labels.path), "members": names,
        "observations": observations,
        "mean": {key: _average(own["mean"][key]["value"] for own in observations.values()) for key in VALUES},
    }  # fmt: skip


def _evaluate_observation(
    name: str, members: Sequence[Named], labels: Named, level: str, views: str, threshold: float
) -> dict[str, Any]:
    first = members[0]
    scores = np.stack([align_member(member, first, name) for member in members])
    labeled = join_labels(Named(first.path, first.key, first.names, {name: scores[0]}), labels, level, views)
    rows, truth = [first.places[strip_copy(row)] for row in labeled.names], labeled.labels[:, 0]
    known = np.isfinite(truth)
    own, why = scores[:, rows][:, known], ""
    if len(members) < 2:
        why = SINGLE
    elif ((own < 0) | (own > 1)).any():
        why = NO_PROBABILITIES
    found = [] if why else [
        ((i, j), disagreement(own[i], own[j], truth[known], threshold)) for i, j in combinations(range(len(own)), 2)
    ]  # fmt: skip
    pairs = [_describe_pair([members[place] for place in pair], one) for pair, one in found]
    mean = {key: _average(pair[key] for pair in pairs) for key in VALUES}
    return {"n": int(known.sum()), "pairs": pairs, "mean": mean, "why": why or None}


def _describe_pair(members: Sequence[Named], found: Disagreement) -> dict[str, Any]:
    values: dict[str, Any] = {"members": [str(member.path) for member in members]}
    values |= {"q": or_none(found.q), "correlation": or_none(found.correlation)}
    return values | dict(zip(COUNTS, found.counts, strict=True)) | {"n": found.n, "why": found.why or None}


def _average(values: Iterable[float | None]) -> dict[str, Any]:
    """Return the mean of the defined values, how many these are, and of how many."""
    every = list(values)
    defined = [value for value in every if value is not None]
    return {"value": or_none(math.fsum(defined) / len(defined)) if defined else None,
            "defined": len(defined), "of": len(every)}  # fmt: skip


def select_members(members: Mapping[str, Sequence[Path]], scores: Mapping[Path, Named]) -> dict[str, list[Named]]:
    """Return the scores of the members of each observation."""
    return {name: [scores[path] for path in paths] for name, paths in members.items()}
