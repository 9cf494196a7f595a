"""A few images with a suspect and without it, so that a reader can see the meaning of the metrics."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from chexpert.explain.attribution import Explainer
from chexpert.explain.plots.scale import COLORS, Scale
from chexpert.explain.shortcuts.case import Case
from chexpert.explain.shortcuts.controls import find_others, sample_controls
from chexpert.explain.shortcuts.effects import compute_logits
from chexpert.explain.shortcuts.inpainting import grow, inpaint
from chexpert.explain.shortcuts.search import Search
from chexpert.models import Model

IMAGES = 4
TRUTHS = {1: "has it", 0: "has it not", None: "no label"}


def plot_images(search: Search, explainer: Explainer, observation: str, suspect: str, by: str) -> Figure:
    """Plot one row an image: the region outlined, the map, the region filled, a control, no suspect painted.

    The images are those on which the suspect mattered most, in the direction of the mean.

    Args:
        search: finished search, which has measured the effects of the suspect.
        explainer: explainer of the maps.
        observation: observation whose logit and map are shown.
        suspect: name of the region.
        by: measure of the effect: ``counterfactual`` or ``above_control``.

    Returns:
        The picture, of at most four images.
    """
    effects, output, model = search.effects[suspect], search.observations.index(observation), search.model
    changes = effects.counterfactual if by == "counterfactual" else effects.above_controls()
    own = np.nan_to_num(changes[:, output])
    order = np.argsort(-own * np.sign(own.mean()), kind="stable")[:IMAGES]
    cases = {case.name: case for case in search.cases}
    some = [cases[effects.names[row]] for row in order]
    without = search.evidence.without.get(suspect, {})
    page = Figure(figsize=(13, 2.9 * len(some) + 0.5), layout="constrained")
    axes = page.subplots(len(some), 5, squeeze=False)
    rng = np.random.default_rng(search.seed)
    others = find_others(search.cases, suspect, rng)
    for row, case in zip(axes, some, strict=True):
        region = grow(case.regions[suspect])
        images = {"own": case.image, "filled": inpaint(case.image, region)}
        for place in sample_controls(case, region, others, [observation], rng)[observation][:1]:
            images |= {"control": others[place].image, "control filled": inpaint(others[place].image, region)}
        images |= {"without": without[case.name]} if case.name in without else {}
        logits = compute_logits(model, list(images.values()), "picture")[:, output].astype("float64")
        probabilities = dict(zip(images, 1 / (1 + np.exp(-logits)), strict=True))
        truth = TRUTHS[case.labels.get(observation)]
        _show(row[0], case.image, f"{'_'.join(case.name.split('_')[:2])}\np = {probabilities['own']:.2f}, {truth}")
        row[0].contour(case.regions[suspect], [0.5], colors="cyan", linewidths=0.8)
        _overlay(row[1], model, explainer, case, output)
        _show(row[2], images["filled"], f"filled\np = {probabilities['filled']:.2f}")
        if "control" in images:
            change = f"p = {probabilities['control']:.2f}, filled {probabilities['control filled']:.2f}"
            _show(row[3], images["control filled"], f"another image, filled there\n{change}")
            row[3].contour(region, [0.5], colors="orange", linewidths=0.8)
        else:
            _write_note(row[3], "another image, filled there:\nno image of this label compares")
        if "without" in images:
            _show(row[4], images["without"], f"painted without it\np = {probabilities['without']:.2f}")
        else:
            _write_note(row[4], "painted without it:\nno such image")
    count = np.isfinite(changes[:, output]).sum()
    which = f"the {len(some)} of {count} images on which it mattered most"
    page.suptitle(f"{observation}, with {suspect} (outlined) and without: {which}")
    ends = zip(("the map: for the observation", "against it"), (1.0, 0.0), strict=True)
    patches = [Patch(color=COLORS(end), label=label) for label, end in ends]
    page.legend(handles=patches, loc="outside lower center", ncols=2, fontsize=9)
    return page


def _show(axis: Axes, image: np.ndarray, title: str) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=9)
    axis.set_axis_off()


def _write_note(axis: Axes, text: str) -> None:
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)


def _overlay(axis: Axes, model: Model, explainer: Explainer, case: Case, output: int) -> None:
    """The map of the image as it is, red for the observation and blue against it."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    ((attribution,),) = explainer(model, torch.from_numpy(case.image)[None, None].to(device), [[output]])
    _show(axis, case.image, explainer.name if attribution.has_evidence else f"{explainer.name}\nno positive evidence")
    axis.imshow(Scale.of([attribution.signed]).shares(attribution.signed), cmap=COLORS, vmin=-1, vmax=1)
