"""A few films with a suspect and without it, so that a reader can see what the figures stand for."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from chexpert.explain.attribution import Explainer
from chexpert.explain.plots.scale import COLOURS, Scale
from chexpert.explain.shortcuts.case import Case
from chexpert.explain.shortcuts.effects import compute_logits
from chexpert.explain.shortcuts.inpainting import grow, inpaint, place_controls
from chexpert.explain.shortcuts.search import Search
from chexpert.models import Model

FILMS = 4
TRUTHS = {1: "has it", 0: "has it not", None: "no label"}


def draw_films(search: Search, explainer: Explainer, observation: str, suspect: str, by: str) -> Figure:
    """One row a film: the region outlined, the map, the region filled, a control filled, the film drawn without it.

    The films are those on which the suspect mattered most, in the direction of the mean.

    Args:
        search: that has looked at the suspect.
        explainer: of the maps.
        observation: whose logit and map are shown.
        suspect: name of the region.
        by: ``counterfactual`` or ``above_control``, what the effect was judged by.
    """
    effects, output, model = search.effects[suspect], search.observations.index(observation), search.model
    changes = effects.counterfactual if by == "counterfactual" else effects.inpainted - effects.control
    own = np.nan_to_num(changes[:, output])
    order = np.argsort(-own * np.sign(own.mean()), kind="stable")[:FILMS]
    cases = {case.name: case for case in search.cases}
    some = [cases[effects.names[row]] for row in order]
    without = search.evidence.without.get(suspect, {})
    figure = Figure(figsize=(13, 2.9 * len(some) + 0.5), layout="constrained")
    axes = figure.subplots(len(some), 5, squeeze=False)
    rng = np.random.default_rng(search.seed)
    for row, case in zip(axes, some, strict=True):
        region = grow(case.regions[suspect])
        controls = place_controls(region, case.body, 1, rng)
        films = [case.film, inpaint(case.film, region), *(inpaint(case.film, control) for control in controls)]
        films += [without[case.name]] if case.name in without else []
        logits = compute_logits(model, films, "picture")[:, output].astype("float64")
        probabilities = iter((1 / (1 + np.exp(-logits))).tolist())
        truth = TRUTHS[case.labels.get(observation)]
        _show(row[0], case.film, f"{'_'.join(case.name.split('_')[:2])}\np = {next(probabilities):.2f}, {truth}")
        row[0].contour(case.regions[suspect], [0.5], colors="cyan", linewidths=0.8)
        _overlay(row[1], model, explainer, case, output)
        _show(row[2], films[1], f"filled\np = {next(probabilities):.2f}")
        _show_or_not(
            row[3], films[2] if controls else None, "a control filled", "the body has no room for one", probabilities
        )
        if controls:
            row[3].contour(controls[0], [0.5], colors="orange", linewidths=0.8)
        _show_or_not(row[4], without.get(case.name), "drawn without it", "no such film", probabilities)
    count = np.isfinite(changes[:, output]).sum()
    which = f"the {len(some)} of {count} films on which it mattered most"
    figure.suptitle(f"{observation}, with {suspect} (outlined) and without: {which}")
    ends = zip(("the map: for the observation", "against it"), (1.0, 0.0), strict=True)
    patches = [Patch(color=COLOURS(end), label=label) for label, end in ends]
    figure.legend(handles=patches, loc="outside lower center", ncols=2, fontsize=9)
    return figure


def _show(axis: Axes, film: np.ndarray, title: str) -> None:
    axis.imshow(film, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=9)
    axis.set_axis_off()


def _show_or_not(axis: Axes, film: np.ndarray | None, title: str, lacking: str, probabilities: Iterator[float]) -> None:
    if film is None:
        axis.set_axis_off()
        axis.text(0.5, 0.5, f"{title}:\n{lacking}", ha="center", va="center", fontsize=9)
    else:
        _show(axis, film, f"{title}\np = {next(probabilities):.2f}")


def _overlay(axis: Axes, model: Model, explainer: Explainer, case: Case, output: int) -> None:
    """The map of the film as it is, red for the observation and blue against it."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    ((attribution,),) = explainer(model, torch.from_numpy(case.film)[None, None].to(device), [[output]])
    _show(axis, case.film, explainer.name if attribution.has_evidence else f"{explainer.name}\nno positive evidence")
    axis.imshow(Scale.of([attribution.signed]).shares(attribution.signed), cmap=COLOURS, vmin=-1, vmax=1)
