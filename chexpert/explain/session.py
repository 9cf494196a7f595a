"""Explain views by several explainers, and write the pictures, maps and sheets to a folder."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from chexpert.console import log
from chexpert.explain.attribution import Attribution, Explainer, explaining
from chexpert.explain.batched_inference import FEW
from chexpert.explain.explained_views import BATCH_SIZE, ExplainedViews, explain_batches
from chexpert.explain.explanation import Explanation
from chexpert.explain.export import write_explainer
from chexpert.explain.failures import Failures
from chexpert.explain.local_model_notes import log_local_models
from chexpert.explain.plots import plot_view_sheet
from chexpert.explain.regions import Thresholds
from chexpert.explain.time_budget import TimeBudget, count_fitting
from chexpert.explain.view import View
from chexpert.models import Model
from chexpert.runs import files as run_files


def explain_views(
    model: Model,
    explainers: Mapping[str, Explainer],
    views: Sequence[View],
    observations: Sequence[str],
    folder: Path,
    *,
    only: Sequence[str] | None = None,
    top: int = 3,
    failures: Failures | None = None,
    thresholds: Thresholds = "otsu",
    boxed: bool = False,
    explained: ExplainedViews | None = None,
    budget: TimeBudget | None = None,
) -> dict[str, Figure]:
    """Explain the views; the pictures, maps, manifest and sheet of an explainer are written as soon as it is done.

    With a time budget the explainer with the fewest passes comes first, and one that cannot explain all views in time
    explains the first of them; without a limit they come in their own order.

    Args:
        model: with C outputs, on the device to use.
        explainers: by name.
        views: one or more.
        observations: names of the C outputs.
        folder: where the explanations are written; see :mod:`chexpert.runs.files`.
        only: observations to explain, the same of every view; None: the ``top`` most probable ones of each view.
        top: number of observations of a view; ignored if ``only`` is given.
        failures: collects the errors of explainers, so that the others still run; None: the first error is raised.
        thresholds: of the maps, from which on a pixel is in a region.
        boxed: plot the boxes of the regions too.
        explained: keeps the attributions of views that are scored later.
        budget: of time; None: no limit.

    Returns:
        The sheets by their place in the folder: "<explainer>", and "views/<view>" with all explainers of a view.
    """
    images = stack_images(model, views)
    probabilities = predict(model, images)
    outputs = [choose_outputs(row, observations, only, top) for row in probabilities]
    explained, budget = explained or ExplainedViews(), budget or TimeBudget()
    budget.measure(model, images[0])
    sheets: dict[str, Figure] = {}
    by_explainer: dict[str, list[list[Explanation]]] = {}
    for name in order_by_cost(explainers, budget):
        with nullcontext() if failures is None else failures.catching(name, half=folder / name):
            attributions = explain_in_time(
                model, name, explainers[name], views, images, outputs, explained=explained, budget=budget
            )
            budget.report(name, "explained", len(attributions), len(views))
            if not attributions:
                continue
            explanations = [
                describe_view(view, row, wanted, of_view, observations, name)
                for view, row, wanted, of_view in zip(views, probabilities, outputs, attributions, strict=False)
            ]
            log_local_models(name, (one.attribution.manifest for own in explanations for one in own))
            sheets[name] = write_explainer(folder, name, explanations, thresholds, boxed=boxed)
            by_explainer[name] = explanations
    in_order = {name: by_explainer[name] for name in explainers if name in by_explainer}
    return {name: sheets[name] for name in in_order} | write_view_sheets(folder, views, in_order)


def order_by_cost(explainers: Mapping[str, Explainer], budget: TimeBudget) -> list[str]:
    """Return the names of explainers; with a limit of time the cheapest first: a dear one takes what is left."""
    cost = {name: 0 if budget.minutes is None else explainer.passes(1) for name, explainer in explainers.items()}
    return sorted(explainers, key=cost.__getitem__)


def explain_in_time(
    model: Model,
    name: str,
    explainer: Explainer,
    views: Sequence[View],
    images: torch.Tensor,
    outputs: Sequence[Sequence[int]],
    *,
    explained: ExplainedViews,
    budget: TimeBudget,
) -> list[list[Attribution]]:
    """Return the attributions of the first views, as many as fit into the budget; of all without a limit."""
    paths = [view.path for view in views]
    costs = [explained.count_passes(name, explainer, path, own) for path, own in zip(paths, outputs, strict=True)]
    size = len(views) if budget.minutes is None else count_together(costs)
    found: list[list[Attribution]] = []
    while len(found) < len(views):
        some = slice(len(found), len(found) + size)
        chunk = costs[some]
        fitting = count_fitting([budget.seconds(passes, name) for passes in chunk], budget.left)
        if not fitting:
            break
        if not found:
            log.info(f"{name}: {describe_work(len(views), budget.estimate(model, images[0], sum(costs), name))}")
        some = slice(len(found), len(found) + fitting)
        with budget.timing(name, sum(costs[some])):
            found += explained.explain(model, name, explainer, paths[some], images[some], outputs[some])
        if fitting < len(chunk):
            break
    return found


def count_together(costs: Sequence[int]) -> int:
    """Return the number of views between two looks at the clock: one if a view takes many passes."""
    return 1 if max(costs, default=0) >= FEW else BATCH_SIZE


def write_view_sheets(
    folder: Path, views: Sequence[View], explained: Mapping[str, Sequence[Sequence[Explanation]]]
) -> dict[str, Figure]:
    """Write the sheet of each view with all explainers that explained it."""
    sheets = {}
    for row, view in enumerate(views):
        if own := {name: by_view[row] for name, by_view in explained.items() if row < len(by_view)}:
            sheet, path = plot_view_sheet(own), run_files.view_sheet(folder, view.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            sheet.savefig(path)
            sheets[f"views/{path.stem}"] = sheet
    return sheets


def explain_view(
    model: Model,
    explainer: Explainer,
    view: View,
    observations: Sequence[str],
    name: str,
    *,
    only: Sequence[str] | None = None,
    top: int = 1,
) -> list[Explanation]:
    """Explain one view and write nothing; see :func:`explain_views` for the arguments.

    Returns:
        One explanation for each observation of ``only``, or for each of the ``top`` most probable ones.
    """
    images = stack_images(model, [view])
    probabilities = predict(model, images)
    outputs = [choose_outputs(probabilities[0], observations, only, top)]
    attributions = explain_batches(model, explainer, images, outputs)
    return describe_view(view, probabilities[0], outputs[0], attributions[0], observations, name)


def describe_view(
    view: View,
    probabilities: np.ndarray,
    outputs: Sequence[int],
    attributions: Sequence[Attribution],
    observations: Sequence[str],
    explainer: str,
) -> list[Explanation]:
    """Return the attributions of a view's outputs with what is known of them; probabilities are (C,)."""
    return [
        Explanation(view, observations[output], float(probabilities[output]), explainer, attribution)
        for output, attribution in zip(outputs, attributions, strict=True)
    ]


def stack_images(model: Model, views: Sequence[View]) -> torch.Tensor:
    """Stack the views into (V, 1, H, W) uint8, on the model's device."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    return torch.stack([view.image for view in views]).to(device)


def predict(model: Model, images: torch.Tensor) -> np.ndarray:
    """Return probabilities (V, C) float32 of views (V, 1, H, W) uint8."""
    with explaining(model), torch.no_grad():
        return torch.cat([model(batch).float().sigmoid().cpu() for batch in images.split(BATCH_SIZE)]).numpy()


def choose_outputs(
    probabilities: np.ndarray, observations: Sequence[str], only: Sequence[str] | None, top: int
) -> list[int]:
    """Return the indices of a view's outputs to explain: those of ``only``, or the ``top`` most probable ones.

    >>> choose_outputs(np.array([0.2, 0.9, 0.5]), ["Edema", "Fracture", "Pneumonia"], None, 2)
    [1, 2]
    """
    if only is not None:
        return [observations.index(name) for name in only]
    return np.argsort(-probabilities, kind="stable")[:top].tolist()


def describe_work(views: int, seconds: float) -> str:
    """Describe a step.

    >>> describe_work(4, 34.6)
    '4 views, about 35 s'
    """
    return f"{views} view{'s' * (views > 1)}, {format_duration(seconds)}"


def format_duration(seconds: float) -> str:
    """Format a duration as an estimate.

    >>> format_duration(0.3), format_duration(34.6), format_duration(400)
    ('about a second', 'about 35 s', 'about 7 min')
    """
    if seconds < 1.5:
        return "about a second"
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"
