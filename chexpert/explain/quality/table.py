"""How good a run's explanations are: do maps point at the finding, does the model follow them, were they learned?"""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from chexpert.console import log
from chexpert.explain.attribution import Explainer
from chexpert.explain.failures import Failures
from chexpert.explain.quality.cost import describe_cost, hash_weights, measuring
from chexpert.explain.quality.deletion_insertion import CUTS
from chexpert.explain.quality.sanity import check_sanity, count_passes
from chexpert.explain.quality.scored_views import affordable, explain_batches, limit
from chexpert.explain.quality.stability import check_stability
from chexpert.explain.quality.stability import count_passes as count_stability_passes
from chexpert.explain.quality.summary import DEFINITIONS, evaluate_sanity, interval, summarize
from chexpert.explain.quality.view_scores import CURVES, Probing, Row, score_maps, true_positives
from chexpert.explain.quality.view_table import ViewTable
from chexpert.explain.session import describe_work, stack_images
from chexpert.explain.view import View
from chexpert.models import Model
from chexpert.runs.files import or_none


def score_explainers(
    model: Model,
    explainers: Mapping[str, Explainer],
    views: Sequence[View],
    probabilities: np.ndarray,
    observations: Sequence[str],
    aurocs: Mapping[str, float],
    cutoffs: Mapping[str, float],
    *,
    per_observation: int,
    passes: int,
    seed: int,
    failures: Failures | None = None,
    view_table: ViewTable | None = None,
) -> dict[str, Any]:
    """Explain the observations that are present in some views, and evaluate the maps.

    Args:
        model: stays as it is.
        explainers: by name.
        views: V of one size, in the order of :func:`chexpert.explain.quality.scored_views.choose_scored`.
        probabilities: (V, C) of these views.
        observations: names of the C outputs.
        aurocs: by observation, of the whole split; NaN where undefined.
        cutoffs: by observation, the probability from which it counts as predicted: the Youden threshold of the
            whole split (:func:`chexpert.metrics.youden_threshold`); NaN where undefined.
        per_observation: most maps of an observation that are scored.
        passes: forward passes that an explainer may spend on these views; a dear one gets the first of them only.
        seed: of the random maps.
        failures: notes the explainers that fail, and the others continue; without it, the first failure ends all.
        view_table: is given the rows of single maps.

    Returns:
        Plain containers for explanations/quality.json, None where undefined: ``explainers`` by name, there
        ``control`` (it does not ask the model), ``sanity`` and ``stability`` over all observations together,
        ``stability_of`` (what was changed: ``seed`` or ``noise``), and ``observations`` by name, with the metrics of
        ``DEFINITIONS``; a mean over views is ``{"value", "ci_low", "ci_high", "n"}``, 95 % by bootstrap over views.
    """
    views = [replace(view, image=image) for view, image in zip(views, stack_images(model, views), strict=True)]
    outputs = limit(
        [[c for c, o in enumerate(observations) if view.truth.get(o) == 1] for view in views], per_observation
    )
    predicted = [[probabilities[row, c] >= cutoffs[observations[c]] for c in own] for row, own in enumerate(outputs)]
    probing = Probing(model, seed)
    head = {"views": len(views), "per_observation": per_observation, "passes": passes, "seed": seed}
    head |= {"weights": hash_weights(model), "device": stack_images(model, views[:1]).device.type}

    def score(name: str, explainer: Explainer) -> dict[str, Any]:
        count = affordable(explainer, outputs, passes)
        asked = views[:count], outputs[:count]
        right = true_positives(outputs, predicted)[:count]
        log.info(f"scoring {name}: {estimate(model, explainer, *asked, right, passes)}")
        rows, more = score_explainer(model, explainer, *asked, predicted[:count], observations, probing, passes)
        if view_table is not None:
            view_table.add(name, *asked, observations, rows)
        of = {"stability_of": more.get("stability_of")}
        metrics = {o: {"auroc": or_none(aurocs[o])} | of | summarize(rows[c]) for c, o in enumerate(observations)}
        pooled = [row for own in rows for row in own]
        control = not any(explainer.passes(wanted) for wanted in range(1, len(observations) + 1))
        overall = {"sanity": evaluate_sanity(pooled), "stability": interval(pooled, "stability")}
        return {"views": count, "control": control, **more, **overall, "observations": metrics}

    scored = {}
    for name, explainer in explainers.items():
        with nullcontext() if failures is None else failures.catching(name):
            scored[name] = score(name, explainer)
    return head | {"definitions": DEFINITIONS, "explainers": scored}


def estimate(
    model: Model,
    explainer: Explainer,
    views: Sequence[View],
    outputs: Sequence[Sequence[int]],
    right: Sequence[Sequence[int]],
    passes: int,
) -> str:
    """Describe the next step and about how long it will take; ``right`` are the outputs that are true positives."""
    if not views:
        return f"no view within explain.passes={passes}"
    images, curved = stack_images(model, views), sum(map(len, limit(right, CURVES)))
    extra = curved * 2 * (len(CUTS) + 1) + count_passes(explainer, outputs, passes)
    extra += count_stability_passes(explainer, outputs, passes)
    return describe_work(model, explainer, images, outputs, extra_passes=extra)


def score_explainer(
    model: Model,
    explainer: Explainer,
    views: Sequence[View],
    outputs: Sequence[Sequence[int]],
    predicted: Sequence[Sequence[bool]],
    observations: Sequence[str],
    probing: Probing,
    passes: int,
) -> tuple[list[list[Row]], dict[str, Any]]:
    """Return the rows of each observation's maps by one explainer; their cost, and what stability is of."""
    if not views:  # not even one is within the passes
        return [[] for _ in observations], {}
    images = stack_images(model, views)
    with measuring(images.device) as found:
        attributions = explain_batches(model, explainer, images, outputs)
    explained = time.perf_counter()
    scored = score_maps(views, outputs, attributions, observations, predicted, probing)
    checked = check_sanity(model, explainer, images, outputs, attributions, passes)
    kind, stable = check_stability(model, explainer, images, outputs, attributions, passes)
    rows: list[list[Row]] = [[] for _ in observations]
    for own, *parts in zip(outputs, scored, checked, stable, strict=True):
        for c, row, sanity, again in zip(own, *parts, strict=True):
            rows[c].append(row | sanity | again)
    seconds = {
        "seconds_explaining": round(found["seconds"], 1),
        "seconds_scoring": round(time.perf_counter() - explained, 1),
    }
    return rows, seconds | describe_cost(explainer, outputs, found) | {"stability_of": kind}
