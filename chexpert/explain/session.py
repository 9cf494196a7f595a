"""A session: some explainers over some views, and all that it leaves."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from chexpert import rundir
from chexpert.explain.attribution import Attribution, Explainer, explaining
from chexpert.explain.explanation import Explanation
from chexpert.explain.leaving import write_explainer
from chexpert.explain.pictures import draw_view_sheet
from chexpert.explain.probing import estimate_seconds
from chexpert.explain.view import View
from chexpert.models import Model

AT_ONCE = 8  # views: enough to share a forward pass, few enough to fit


def explain_views(
    model: Model,
    explainers: Mapping[str, Explainer],
    views: Sequence[View],
    observations: Sequence[str],
    folder: Path,
    *,
    only: Sequence[str] | None = None,
    top: int = 3,
) -> dict[str, Figure]:
    """Explains the views and writes pictures, maps, manifests and sheets, each explainer's when it is done.

    Args:
        model: on the device where it is to work.
        explainers: by name.
        views: one or more.
        observations: names of the C outputs.
        folder: for explanations; see :mod:`chexpert.rundir`.
        only: explain these observations of every view; by default its ``top`` most probable ones.
        top: how many of the most probable observations.

    Returns:
        The sheets by their place in the folder: "<explainer>", and "views/<view>" where there are several explainers.
    """
    probabilities = predict(model, views)
    outputs = [choose_outputs(row, observations, only, top) for row in probabilities]
    sheets, explained = {}, {}
    for name, explainer in explainers.items():
        print(announce(name, model, explainer, views, outputs), flush=True)
        found = explain_batches(model, explainer, images, outputs)
        explained[name] = [
            [
                Explanation(view, observations[output], float(row[output]), name, attribution)
                for output, attribution in zip(own, attributions, strict=True)
            ]
            for view, row, own, attributions in zip(views, probabilities, outputs, found, strict=True)
        ]
        sheets[name] = write_explainer(folder, name, explained[name])
    for methods in zip(*explained.values(), strict=True):
        sheet = draw_view_sheet(dict(zip(explained, methods, strict=True)))
        path = rundir.view_sheet(folder, methods[0][0].view.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.savefig(path)
        sheets[f"views/{path.stem}"] = sheet
    return sheets


def predict(model: Model, views: Sequence[View]) -> np.ndarray:
    """Probabilities (N, C) float32 of the views."""
    with explaining(model), torch.no_grad():
        return np.concatenate([model(images).float().sigmoid().cpu().numpy() for images in _batches(model, views)])


def choose_outputs(
    probabilities: np.ndarray, observations: Sequence[str], only: Sequence[str] | None, top: int
) -> list[int]:
    """Indices of the observations to explain, of one view's probabilities (C,): the most probable first, or ``only``.

    >>> choose_outputs(np.array([0.2, 0.9, 0.5]), ["Edema", "Fracture", "Pneumonia"], None, 2)
    [1, 2]
    """
    if only is not None:
        return [observations.index(name) for name in only]
    return np.argsort(-probabilities, kind="stable")[:top].tolist()


def announce(
    name: str, model: Model, explainer: Explainer, views: Sequence[View], outputs: Sequence[Sequence[int]]
) -> str:
    """What is about to start, and how long the model will take: "lime: 4 views, about 35 s"."""
    passes = sum(explainer.passes(len(own)) for own in outputs)
    (like, *_) = next(_batches(model, views[:1]))
    seconds = estimate_seconds(model, like, passes)
    counted = f"{len(views)} view{'s' * (len(views) > 1)}"
    return f"{name}: {counted}, {say_duration(seconds)}"


def say_duration(seconds: float) -> str:
    """A duration as an estimate.

    >>> say_duration(0.3), say_duration(34.6), say_duration(400)
    ('about a second', 'about 35 s', 'about 7 min')
    """
    if seconds < 1.5:
        return "about a second"
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def _batches(model: Model, views: Sequence[View]) -> Iterator[torch.Tensor]:
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    for start in range(0, len(views), AT_ONCE):
        yield torch.stack([view.image for view in views[start : start + AT_ONCE]]).to(device)
