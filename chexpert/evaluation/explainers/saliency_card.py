"""A saliency card for each explainer (Boggust et al. 2023, arxiv.org/abs/2206.02958), from what a run has stored."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chexpert.evaluation.explainers.models import Entry
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import is_private
from chexpert.runs.read import read_explanations

LOCALIZABILITY = ("hit_normalized", "iou", "relevance_over_area")
FAITHFULNESS = ("gap_over_random", "road")
OF_A_VIEW = frozenset({
    "view", "observation", "probability", "truth", "width", "height", "image", "outline", "scale", "positive_evidence",
    "picture", "map", "explainer", "grid", "stability", "r2", "superpixels", "member_spearman",
    "mask", "step", "reached", "passes", "steps", "completeness_error", "completeness_error_logit",
})  # fmt: skip
"""Entries of a manifest that are no hyperparameters."""


def write_card(
    entry: Entry, settings: Mapping[str, Any], mean: Mapping[str, Mapping[str, Any]], cost: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill the card of an explainer; None and empty where something was not measured.

    Args:
        entry: the explainer.
        settings: its hyperparameters, of :func:`read_hyperparameters`.
        mean: its metrics over observations.
        cost: of its maps.

    Returns:
        ``determinism`` (``seed``; ``depends_on_seed``, None where no other seed was tried; ``seed_stability``: rank
        correlation of what two seeds give), ``hyperparameters``,
        ``input_sensitivity`` (rank correlation with the map of a slightly changed image), ``label_sensitivity`` (with
        the view's maps of other observations), ``model_sensitivity`` (with the maps after shuffling weights, block by
        block), ``faithfulness``, ``localizability`` and ``cost``.
    """
    kind = entry.scored.get("stability_of")
    seeded, stability = "seed" in settings if kind is None else kind == "seed", mean["stability"]
    measured = stability if stability["value"] is not None else None
    sanity = entry.scored.get("sanity") or {}
    return {
        "determinism": {
            "seed": settings.get("seed"),
            "depends_on_seed": None if kind is None else seeded,
            "seed_stability": (measured or read_seed_stability(entry)) if seeded else None,
        },
        "hyperparameters": {key: value for key, value in settings.items() if key != "seed"},
        "input_sensitivity": None if seeded else measured,
        "label_sensitivity": _average(entry, "between_observations"),
        "model_sensitivity": {
            "top_block_size": sanity.get("top_block_size"),
            "cascade_size": sanity.get("cascade_size") or [],
            "passed": sanity.get("passed"),
        },
        "faithfulness": {key: mean[key] for key in FAITHFULNESS},
        "localizability": {key: mean[key] for key in LOCALIZABILITY},
        "cost": cost,
    }


def read_hyperparameters(entry: Entry, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an explainer: those that all its maps share, and those that its config alone has."""
    nodes = config.get("explainer")
    node = nodes.get(entry.explainer) if isinstance(nodes, Mapping) and _is_home(entry) else None
    settings = {key: value for key, value in (node or {}).items() if not key.startswith("_")}
    maps = list(read_explanations(entry.quality.explanations / entry.explainer / run_files.MANIFEST))
    first = maps[0] if maps else {}
    shared = {key: own for key, own in first.items() if all(one.get(key) == own for one in maps)}
    # with the passes of a view, samples too are those that its map has taken, fewer than the setting allows
    own_to_views = OF_A_VIEW | ({"samples"} if "passes" in first else frozenset())
    found = settings | {key: own for key, own in shared.items() if key not in own_to_views}
    return {key: own for key, own in found.items() if own is not None and not is_private(key, own)}


def read_seed_stability(entry: Entry) -> dict[str, Any] | None:
    """Return the mean rank correlation of LIME's weights from two halves of the samples, which have two seeds."""
    maps = read_explanations(entry.quality.explanations / entry.explainer / run_files.MANIFEST)
    values = [one["stability"] for one in maps if isinstance(one.get("stability"), int | float)]
    return {"value": float(np.mean(values)), "ci_low": None, "ci_high": None, "n": len(values)} if values else None


def _is_home(entry: Entry) -> bool:
    """Whether the maps are those of the run itself, whose config then holds their settings."""
    return bool(entry.quality.config) and entry.quality.explanations.name == run_files.EXPLANATIONS


def _average(entry: Entry, key: str) -> dict[str, Any] | None:
    """The mean over observations of a metric, with the number of its maps; None where it is not defined."""
    found = [own.get(key) for own in entry.scored["observations"].values()]
    defined = [one for one in found if one and one.get("value") is not None and not math.isnan(one["value"])]
    if not defined:
        return None
    value = float(np.mean([one["value"] for one in defined]))
    return {"value": value, "observations": len(defined), "n": sum(one["n"] for one in defined)}
