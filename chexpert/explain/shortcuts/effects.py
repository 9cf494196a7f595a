"""How the logits change when what is suspected is taken out of an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from chexpert.console import show_progress
from chexpert.explain.batched_inference import Probe
from chexpert.explain.shortcuts.case import Case
from chexpert.explain.shortcuts.controls import find_others, sample_controls
from chexpert.explain.shortcuts.inpainting import grow, inpaint
from chexpert.models import Model

MOST = 60  # images a suspect


@dataclass(frozen=True)
class Effects:
    """Logits of images that show a suspect less those of the same images without it, for C observations.

    Attributes:
        names: of the n views.
        inpainted: (n, C), the suspect's region filled from its surroundings.
        controls: (n, P, C), the same region filled in P other images without the suspect; NaN where one is no control.
        counterfactual: (n, C), the suspect never painted; NaN where there is no such image.
    """

    names: list[str]
    inpainted: np.ndarray
    controls: np.ndarray
    counterfactual: np.ndarray

    def above_controls(self) -> np.ndarray:
        """Return what the filled region changes, (n, C), less the mean of its controls; NaN where there is none."""
        count = np.isfinite(self.controls).sum(1)
        total = np.nansum(self.controls, axis=1)
        return self.inpainted - np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def compute_logits(model: Model, images: Sequence[np.ndarray], title: str) -> np.ndarray:
    """Return logits (N, C) float32 of N images (H, W) uint8."""

    def write(start: int, buffer: torch.Tensor) -> None:
        some = np.stack(images[start : start + len(buffer)])
        buffer.copy_(torch.from_numpy(some)[:, None])

    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    like = torch.zeros(1, *images[0].shape, dtype=torch.uint8, device=device)
    return Probe(title=title)(model, len(images), write, like).numpy()


def measure_effects(
    model: Model,
    cases: Sequence[Case],
    suspect: str,
    without: Mapping[str, np.ndarray],
    asked: Mapping[int, str],
    seed: int = 0,
) -> Effects:
    """Remove a suspect from every case that shows it, at most ``MOST`` of them, sampled by seed.

    Args:
        model: images to logits.
        cases: one or more that show the suspect, and others.
        suspect: name of a region.
        without: images (H, W) uint8 painted without the suspect, by the name of the view, where there are such.
        asked: names of the observations that need controls, by output.
        seed: of the choice and of the controls.
    """
    rng = np.random.default_rng(seed)
    shown = [case for case in cases if suspect in case.regions]
    if len(shown) > MOST:
        shown = [shown[i] for i in sorted(rng.choice(len(shown), MOST, replace=False))]
    regions = [grow(case.regions[suspect]) for case in shown]
    title = f"without {suspect}"
    logits = compute_logits(model, [case.image for case in shown], title).astype("float64")
    filled = [inpaint(case.image, region) for case, region in zip(shown, regions, strict=True)]
    inpainted = logits - compute_logits(model, filled, title)
    counterfactual = np.full_like(logits, np.nan)
    if rows := [row for row, case in enumerate(shown) if case.name in without]:
        painted = compute_logits(model, [without[shown[row].name] for row in rows], title)
        counterfactual[rows] = logits[rows] - painted
    others = find_others(cases, suspect, rng)
    controls = np.empty((len(shown), 0, logits.shape[1]))
    if others:
        controls = measure_controls(model, shown, regions, others, asked, rng)
    return Effects([case.name for case in shown], inpainted, controls, counterfactual)


def measure_controls(
    model: Model,
    shown: Sequence[Case],
    regions: Sequence[np.ndarray],
    others: Sequence[Case],
    asked: Mapping[int, str],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return what the logits of the controls lose, (n, P, C); filled case by case, so that few images are held."""
    before = compute_logits(model, [case.image for case in others], "controls")
    controls = np.full((len(shown), *before.shape), np.nan)
    for row, case in enumerate(show_progress(shown, "filling controls", len(shown))):
        sampled = sample_controls(case, regions[row], others, asked.values(), rng)
        places = sorted({place for own in sampled.values() for place in own})
        if not places:
            continue
        filled = [inpaint(others[place].image, regions[row]) for place in places]
        after = dict(zip(places, compute_logits(model, filled, "controls"), strict=True))
        for output, name in asked.items():
            for place in sampled[name]:
                controls[row, place, output] = before[place, output] - after[place][output]
    return controls
