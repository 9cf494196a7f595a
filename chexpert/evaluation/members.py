"""One network beside the models that it was made from: paired differences to their ensemble and to the best of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.disagreement import evaluate_disagreement
from chexpert.evaluation.ensemble import average
from chexpert.evaluation.join import LabeledScores, count_studies, describe_bootstrap, join_labels
from chexpert.evaluation.predictions import Named, to_studies
from chexpert.metrics import Difference, auroc, compare_aurocs
from chexpert.runs.files import or_none


def compare_with_members(
    own: Named,
    members: Mapping[str, Named],
    labels: Named,
    *,
    mean_over: Sequence[str],
    level: str = "image",
    views: str = "max",
    best: str | None = None,
    best_chosen_on: str | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare a network with the ensemble of its members and with the best member, on the same rows.

    Args:
        own: its scores of views.
        members: theirs by name, of the same views.
        labels: of the views.
        mean_over: observations of the mean AUROC; those without one of both classes are left out.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study; the ensemble is the mean of these scores.
        best: name of the best member; None: the best on these rows themselves, which favors it.
        best_chosen_on: the split by which ``best`` was chosen.
        replicates: of the intervals; whole studies are resampled, of external data sets whole patients.
        seed: of the resampling.

    Returns:
        ``n``, ``studies``, ``over``, ``auroc_mean`` of the network, of each member, of the ``ensemble`` and of the
        ``best_member``, the last two with their paired ``difference``: network less the other; and the members'
        ``disagreement`` over these observations: ``threshold``, and ``mean`` of
        :func:`chexpert.evaluation.disagreement.evaluate_disagreement`.

    Raises:
        UserError: members of other rows or observations.
    """
    names = list(own.columns)
    stack = [to_studies(one, views) if level == "study" else one for one in members.values()]
    ensemble = average(dict.fromkeys(names, stack))
    joined = {"own": join_labels(own, labels, level, views), "ensemble": join_labels(ensemble, labels, level, views)}
    joined |= {f"member {name}": join_labels(one, labels, level, views) for name, one in members.items()}
    rows = joined["own"].names
    if any(list(one.names) != list(rows) for one in joined.values()):
        hint = "take predictions of the same images"
        raise UserError("members of other rows than the network", code="other-rows", where=str(own.path), hint=hint)
    over = [name for name in mean_over if name in names and _is_defined(joined["own"], name)]
    tables = {name: _take(one, over) for name, one in joined.items()}
    truth, studies = _take(joined["own"], over, labels=True), joined["own"].studies
    means = {name: _mean(table, truth) for name, table in tables.items()}
    of_members = {name: means[f"member {name}"] for name in members}
    chosen = best or max(of_members, key=lambda name: (of_members[name], name)) if over else best or next(iter(members))

    disagreement = evaluate_disagreement(dict.fromkeys(over, stack), labels, level, views)

    def differ(other: str) -> dict[str, Any]:
        if not over:
            return describe_difference(None)
        return describe_difference(compare_aurocs(tables["own"], tables[other], truth, studies, replicates, seed))

    return {
        "level": level, "views": views if level == "study" else None,
        "n": len(rows), "studies": count_studies(rows, level), "over": over,
        "bootstrap": describe_bootstrap(rows, studies, replicates, seed),
        "auroc_mean": or_none(means["own"]),
        "members": {name: or_none(value) for name, value in of_members.items()},
        "ensemble": {"auroc_mean": or_none(means["ensemble"]), "difference": differ("ensemble")},
        "best_member": {
            "name": chosen, "chosen_on": best_chosen_on if best else None, "chosen_on_these_rows": best is None,
            "auroc_mean": or_none(of_members[chosen]), "difference": differ(f"member {chosen}"),
        },
        "disagreement": {key: disagreement[key] for key in ("threshold", "mean")},
    }  # fmt: skip


def describe_difference(found: Difference | None) -> dict[str, Any]:
    """Return a difference as JSON holds it; None where no AUROC is defined."""
    if found is None:
        return dict.fromkeys(("value", "ci_low", "ci_high", "p"))
    interval = found.interval
    return {"value": or_none(interval.value), "ci_low": or_none(interval.ci_low),
            "ci_high": or_none(interval.ci_high), "p": or_none(found.p)}  # fmt: skip


def _is_defined(labeled: LabeledScores, name: str) -> bool:
    _, truth, _ = labeled.column(name)
    return bool((truth == 1).any() and (truth == 0).any())


def _take(labeled: LabeledScores, over: Sequence[str], *, labels: bool = False) -> np.ndarray:
    columns = [list(labeled.observations).index(name) for name in over]
    return (labeled.labels if labels else labeled.scores)[:, columns]


def _mean(scores: np.ndarray, truth: np.ndarray) -> float:
    values = [auroc(own, known).value for own, known in zip(scores.T, truth.T, strict=True)]
    return math.fsum(values) / len(values) if values else math.nan
