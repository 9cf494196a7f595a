"""How the logits change when what is suspected is taken out of an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from chexpert.explain.batched_inference import Probe
from chexpert.explain.shortcuts.case import Case
from chexpert.explain.shortcuts.inpainting import grow, inpaint, place_controls
from chexpert.models import Model

CONTROLS = 2  # an image, averaged
MOST = 60  # images a suspect


@dataclass(frozen=True)
class Effects:
    """Logits of images that show a suspect less those of the same images without it, for C observations.

    Attributes:
        names: of the n views.
        inpainted: (n, C), the suspect's region filled from its surroundings.
        control: (n, C), regions of the same shape elsewhere filled instead; NaN where none fits into the body.
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
    model: Model, cases: Sequence[Case], suspect: str, without: Mapping[str, np.ndarray], seed: int = 0
) -> Effects:
    """Remove a suspect from every case that shows it, at most ``MOST`` of them, sampled by seed.

    Args:
        model: images to logits.
        cases: one or more that show the suspect, and others.
        suspect: name of a region.
        without: images (H, W) uint8 painted without the suspect, by the name of the view, where there are such.
        seed: of the choice and of the controls' places.
    """
    rng = np.random.default_rng(seed)
    shown = [case for case in cases if suspect in case.regions]
    if len(shown) > MOST:
        shown = [shown[i] for i in sorted(rng.choice(len(shown), MOST, replace=False))]
    images: list[np.ndarray] = []
    whose: list[tuple[int, int]] = []  # row, and what was done
    for row, case in enumerate(shown):
        region = grow(case.regions[suspect])
        controls = place_controls(region, case.body, CONTROLS, rng)
        changed = [(0, case.image), (1, inpaint(case.image, region))]
        changed += [(2, inpaint(case.image, control)) for control in controls]
        changed += [(3, without[case.name])] if case.name in without else []
        whose += [(row, kind) for kind, _ in changed]
        images += [image for _, image in changed]
    logits = compute_logits(model, images, f"without {suspect}")
    original, *changed_logits = _average(logits, np.array(whose), len(shown))
    return Effects([case.name for case in shown], *(original - changed for changed in changed_logits))


def _average(logits: np.ndarray, whose: np.ndarray, count: int) -> list[np.ndarray]:
    """For each of the four kinds (count, C): the mean over a row's images of this kind, NaN where it has none."""
    means = []
    for kind in range(4):
        mean = np.full((count, logits.shape[1]), np.nan)
        for row in range(count):
            own = logits[(whose == (row, kind)).all(1)]
            if len(own):
                mean[row] = own.mean(0)
        means.append(mean)
    return means
