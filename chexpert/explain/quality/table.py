"""How good a run's explanations are: do maps point at the finding, does the model follow them, were they learned?"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from chexpert.console import log
from chexpert.explain.attribution import Explainer
from chexpert.explain.explained_views import ExplainedViews
from chexpert.explain.failures import Failures
from chexpert.explain.quality.cost import hash_weights
from chexpert.explain.quality.scored_views import limit
from chexpert.explain.quality.scoring import Scoring
from chexpert.explain.quality.summary import DEFINITIONS, evaluate_sanity, interval, summarize
from chexpert.explain.quality.view_scores import Probing
from chexpert.explain.quality.view_table import ViewTable
from chexpert.explain.session import describe_work, order_by_cost, stack_images
from chexpert.explain.time_budget import TimeBudget, reserve
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
    explained: ExplainedViews | None = None,
    budget: TimeBudget | None = None,
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
        explained: has the attributions of views that were explained before.
        budget: of time; views are left out from the end. None: no limit.

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
    explained, budget = explained or ExplainedViews(), budget or TimeBudget()
    budget.measure(model, views[0].image)
    probing = Probing(model, seed)
    head: dict[str, Any] = {"views": len(views), "per_observation": per_observation, "passes": passes, "seed": seed}
    head |= {"weights": hash_weights(model), "device": stack_images(model, views[:1]).device.type}

    def score(name: str, later: Sequence[str]) -> dict[str, Any]:
        scoring = scorings[name]
        reserved = reserve([scorings[other].least_seconds(budget) for other in (name, *later)], budget.left)
        log.info(f"scoring {name}: {describe(scoring, passes, budget)}")
        rows, more = scoring.run(budget, reserved)
        if view_table is not None:
            view_table.add(name, views[: scoring.done], outputs[: scoring.done], observations, rows)
        of = {"stability_of": more.get("stability_of")}
        metrics = {o: {"auroc": or_none(aurocs[o])} | of | summarize(rows[c]) for c, o in enumerate(observations)}
        pooled = [row for own in rows for row in own]
        control = not any(scoring.explainer.passes(wanted) for wanted in range(1, len(observations) + 1))
        overall = {"sanity": evaluate_sanity(pooled), "stability": interval(pooled, "stability")}
        return {"views": scoring.done, "control": control, **more, **overall, "observations": metrics}

    scorings = {
        name: Scoring(name, explainer, views, outputs, predicted, observations, probing, explained, passes)
        for name, explainer in explainers.items()
    }
    names, scored = order_by_cost(explainers, budget), {}
    for place, name in enumerate(names):
        with nullcontext() if failures is None else failures.catching(name):
            scored[name] = score(name, names[place + 1 :])
    in_order = {name: scored[name] for name in explainers if name in scored}
    return head | {"definitions": DEFINITIONS, "explainers": in_order, "time_budget": budget.summarize()}


def describe(scoring: Scoring, passes: int, budget: TimeBudget) -> str:
    """Describe the next step and about how long it will take."""
    if not scoring.most:
        return f"no view within explain.passes={passes}"
    model, image = scoring.probing.model, scoring.views[0].image
    return describe_work(scoring.most, budget.estimate(model, image, scoring.count_passes(scoring.most), scoring.name))
