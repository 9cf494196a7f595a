"""How the logits change when what is suspected is taken out of an image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from chexpert.explain.batched_inference import Probe
from chexpert.explain.shortcuts.case import Case
from chexpert.explain.shortcuts.controls import draw_controls, is_alike
from chexpert.explain.shortcuts.inpainting import grow, inpaint
from chexpert.models import Model

MOST = 60  # images a suspect


@dataclass(frozen=True)
class Effects:
    """Logits of images that show a suspect less those of the same images without it, for C observations.

    Attributes:
        names: of the n views.
        inpainted: (n, C), the suspect's region filled from its surroundings.
        control: (n, C), the same region filled in images without the suspect, of the same label; NaN where there is no
            such image, and for observations that were not asked for.
        counterfactual: (n, C), the suspect never painted; NaN where there is no such image.
    """

    names: list[str]
    inpainted: np.ndarray
    control: np.ndarray
    counterfactual: np.ndarray


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
    counterfactual = np.full_like(logits, np.nan)
    if rows := [row for row, case in enumerate(shown) if case.name in without]:
        painted = compute_logits(model, [without[shown[row].name] for row in rows], title)
        counterfactual[rows] = logits[rows] - painted
    others = [case for case in cases if suspect not in case.regions]
    control = np.full_like(logits, np.nan)
    for row, losses in measure_controls(model, shown, regions, others, asked, rng):
        control[row] = losses
    return Effects(
        [case.name for case in shown], logits - compute_logits(model, filled, title), control, counterfactual
    )


def measure_controls(
    model: Model,
    shown: Sequence[Case],
    regions: Sequence[np.ndarray],
    others: Sequence[Case],
    asked: Mapping[int, str],
    rng: np.random.Generator,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the row of a case with the mean loss of the logits (C,) where its region is filled in its controls."""
    drawn = [draw_controls(*pair, others, asked.values(), rng) for pair in zip(shown, regions, strict=True)]
    pairs = [(row, place) for row, places in enumerate(drawn) for place in places]
    if not pairs:
        return
    used = sorted({place for _, place in pairs})
    before = compute_logits(model, [others[place].image for place in used], "controls")
    after = compute_logits(model, [inpaint(others[place].image, regions[row]) for row, place in pairs], "controls")
    losses = np.stack([before[used.index(place)] for _, place in pairs]) - after
    for row, case in enumerate(shown):
        own = np.full(losses.shape[1], np.nan)
        for output, name in asked.items():
            alike = [n for n, (of, place) in enumerate(pairs) if of == row and is_alike(others[place], case, name)]
            if alike:
                own[output] = losses[alike, output].mean()
        yield row, own
