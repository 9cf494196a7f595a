"""A few images with a suspect and without it, so that a reader can see the meaning of the metrics."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from chexpert.explain.attribution import Explainer
from chexpert.explain.plots.scale import COLORS, Scale
from chexpert.explain.shortcuts.case import Case
from chexpert.explain.shortcuts.effects import compute_logits
from chexpert.explain.shortcuts.inpainting import grow, inpaint, place_controls
from chexpert.explain.shortcuts.search import Search
from chexpert.models import Model

IMAGES = 4
TRUTHS = {1: "has it", 0: "has it not", None: "no label"}


def plot_images(search: Search, explainer: Explainer, observation: str, suspect: str, by: str) -> Figure:
    """Plot one row an image: the region outlined, the map, the region filled, a control filled, no suspect painted.

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
    changes = effects.counterfactual if by == "counterfactual" else effects.inpainted - effects.control
    own = np.nan_to_num(changes[:, output])
    order = np.argsort(-own * np.sign(own.mean()), kind="stable")[:IMAGES]
    cases = {case.name: case for case in search.cases}
    some = [cases[effects.names[row]] for row in order]
    without = search.evidence.without.get(suspect, {})
    page = Figure(figsize=(13, 2.9 * len(some) + 0.5), layout="constrained")
    axes = page.subplots(len(some), 5, squeeze=False)
    rng = np.random.default_rng(search.seed)
    for row, case in zip(axes, some, strict=True):
        region = grow(case.regions[suspect])
        controls = place_controls(region, case.body, 1, rng)
        images = [
            case.image,
            inpaint(case.image, region),
            *(inpaint(case.image, control) for control in controls),
        ]
        images += [without[case.name]] if case.name in without else []
        logits = compute_logits(model, images, "picture")[:, output].astype("float64")
        probabilities = iter((1 / (1 + np.exp(-logits))).tolist())
        truth = TRUTHS[case.labels.get(observation)]
        _show(row[0], case.image, f"{'_'.join(case.name.split('_')[:2])}\np = {next(probabilities):.2f}, {truth}")
        row[0].contour(case.regions[suspect], [0.5], colors="cyan", linewidths=0.8)
        _overlay(row[1], model, explainer, case, output)
        _show(row[2], images[1], f"filled\np = {next(probabilities):.2f}")
        _show_or_not(
            row[3],
            images[2] if controls else None,
            "a control filled",
            "none fits into the body",
            probabilities,
        )
        if controls:
            row[3].contour(controls[0], [0.5], colors="orange", linewidths=0.8)
        _show_or_not(row[4], without.get(case.name), "painted without it", "no such image", probabilities)
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


def _show_or_not(
    axis: Axes, image: np.ndarray | None, title: str, lacking: str, probabilities: Iterator[float]
) -> None:
    if image is None:
        axis.set_axis_off()
        axis.text(0.5, 0.5, f"{title}:\n{lacking}", ha="center", va="center", fontsize=9)
    else:
        _show(axis, image, f"{title}\np = {next(probabilities):.2f}")


def _overlay(axis: Axes, model: Model, explainer: Explainer, case: Case, output: int) -> None:
    """The map of the image as it is, red for the observation and blue against it."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    ((attribution,),) = explainer(model, torch.from_numpy(case.image)[None, None].to(device), [[output]])
    _show(axis, case.image, explainer.name if attribution.has_evidence else f"{explainer.name}\nno positive evidence")
    axis.imshow(Scale.of([attribution.signed]).shares(attribution.signed), cmap=COLORS, vmin=-1, vmax=1)
