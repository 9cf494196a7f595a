"""A session: some explainers over some views, and all that it leaves."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from chexpert.console import log
from chexpert.explain.attribution import Explainer, explaining
from chexpert.explain.batched_inference import estimate_seconds
from chexpert.explain.explanation import Explanation
from chexpert.explain.export import write_explainer
from chexpert.explain.failures import Failures
from chexpert.explain.plots import plot_view_sheet
from chexpert.explain.quality.scored_views import BATCH, explain_batches
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
) -> dict[str, Figure]:
    """Explain the views and write pictures, maps, manifests and sheets, each explainer's when it is done.

    Args:
        model: on the device where it is to work.
        explainers: by name.
        views: one or more.
        observations: names of the C outputs.
        folder: for explanations; see :mod:`chexpert.runs.files`.
        only: explain these observations of every view; by default its ``top`` most probable ones.
        top: how many of the most probable observations.
        failures: notes the explainers that fail, and the others continue; without it, the first failure ends all.

    Returns:
        The sheets by their place in the folder: "<explainer>", and "views/<view>" where there are several explainers.
    """
    images = stack(model, views)
    probabilities = predict(model, images)
    outputs = [choose_outputs(row, observations, only, top) for row in probabilities]
    sheets, explained = {}, {}
    for name, explainer in explainers.items():
        with nullcontext() if failures is None else failures.catching(name, half=folder / name):
            log.info(f"{name}: {show_estimate(model, explainer, images, outputs)}")
            found = explain_batches(model, explainer, images, outputs)
            own = [
                [
                    Explanation(view, observations[output], float(row[output]), name, attribution)
                    for output, attribution in zip(wanted, attributions, strict=True)
                ]
                for view, row, wanted, attributions in zip(views, probabilities, outputs, found, strict=True)
            ]
            sheets[name] = write_explainer(folder, name, own)
            explained[name] = own
    for methods in zip(*explained.values(), strict=True):
        sheet = plot_view_sheet(dict(zip(explained, methods, strict=True)))
        path = run_files.view_sheet(folder, methods[0][0].view.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.savefig(path)
        sheets[f"views/{path.stem}"] = sheet
    return sheets


def stack(model: Model, views: Sequence[View]) -> torch.Tensor:
    """Stack the views into (V, 1, S, S) uint8, on the model's device."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    return torch.stack([view.image for view in views]).to(device)


def predict(model: Model, images: torch.Tensor) -> np.ndarray:
    """Return probabilities (V, C) float32 of views (V, 1, S, S) uint8."""
    with explaining(model), torch.no_grad():
        return torch.cat([model(some).float().sigmoid().cpu() for some in images.split(BATCH)]).numpy()


def choose_outputs(
    probabilities: np.ndarray, observations: Sequence[str], only: Sequence[str] | None, top: int
) -> list[int]:
    """Return indices of the outputs to explain, of probabilities (C,): the most probable first, or ``only``.

    >>> choose_outputs(np.array([0.2, 0.9, 0.5]), ["Edema", "Fracture", "Pneumonia"], None, 2)
    [1, 2]
    """
    if only is not None:
        return [observations.index(name) for name in only]
    return np.argsort(-probabilities, kind="stable")[:top].tolist()


def show_estimate(
    model: Model, explainer: Explainer, images: torch.Tensor, outputs: Sequence[Sequence[int]], more: int = 0
) -> str:
    """Describe the next step and how long it will take, with ``more`` passes: "4 views, about 35 s"."""
    passes = sum(explainer.passes(len(own)) for own in outputs) + more
    return f"{len(images)} view{'s' * (len(images) > 1)}, {say_duration(estimate_seconds(model, images[0], passes))}"


def say_duration(seconds: float) -> str:
    """Format a duration as an estimate.

    >>> say_duration(0.3), say_duration(34.6), say_duration(400)
    ('about a second', 'about 35 s', 'about 7 min')
    """
    if seconds < 1.5:
        return "about a second"
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"
