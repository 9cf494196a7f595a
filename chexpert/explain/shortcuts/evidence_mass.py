"""Where the maps' evidence lies: on a suspect, outside the body, at the corners and at the border of the image."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from chexpert.explain.attribution import Explainer
from chexpert.explain.geometry import mark_corners, mark_frame
from chexpert.explain.shortcuts.case import Case
from chexpert.metrics.localization.map_scores import relevance_mass
from chexpert.models import Model

PLACES = ("outside the body", "corners", "border")
BATCH = 16


def mark_places(case: Case) -> dict[str, np.ndarray]:
    """Return masks (H, W) bool by name: ``PLACES``, and every region of the case."""
    corners, frame = mark_corners(case.image.shape), mark_frame(case.image.shape)
    return dict(zip(PLACES, (~case.body, corners, frame), strict=True)) | dict(case.regions)


def measure_mass(
    model: Model, explainer: Explainer, cases: Sequence[Case], outputs: Sequence[int]
) -> dict[tuple[int, str], list[float]]:
    """Measure relevance mass over area, 1 for an even map, by output and place; one value a case with the place."""
    found: dict[tuple[int, str], list[float]] = {}
    for case, maps in _explain(model, explainer, cases, outputs):
        for place, region in mark_places(case).items():
            if not region.any():
                continue
            for output, own in zip(outputs, maps, strict=True):
                found.setdefault((output, place), []).append(relevance_mass(own, region) / region.mean())
    return found


def _explain(
    model: Model, explainer: Explainer, cases: Sequence[Case], outputs: Sequence[int]
) -> Iterator[tuple[Case, list[np.ndarray]]]:
    """Each case with its raw maps (H, W), one an output."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    for start in range(0, len(cases), BATCH):
        some = cases[start : start + BATCH]
        images = torch.from_numpy(np.stack([case.image for case in some]))[:, None].to(device)
        for case, own in zip(some, explainer(model, images, [list(outputs)] * len(some)), strict=True):
            yield case, [attribution.signed for attribution in own]
