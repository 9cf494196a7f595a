"""Stability: the map that another seed gives, or the same image with a little noise."""

from collections.abc import Sequence
from copy import copy
from typing import Literal

import numpy as np
import torch

from chexpert.explain.attribution import Attribution, Explainer
from chexpert.explain.explained_views import explain_batches
from chexpert.explain.quality.scored_views import affordable, limit
from chexpert.metrics import spearman
from chexpert.models import Model

Kind = Literal["seed", "noise"]

MAPS = 5  # of an observation: an interval needs as many
SHARE = 5  # an explainer may spend this fraction of its forward passes on second maps
LEAST_VIEWS = 2  # and as much more as these take: LIME needs 640 passes for one, RISE 1,000
NOISE = 0.01  # standard deviation as a share of the gray range: less than a JPEG image changes when it is saved again


def check_stability(
    model: Model,
    explainer: Explainer,
    images: torch.Tensor,
    outputs: Sequence[Sequence[int]],
    attributions: Sequence[Sequence[Attribution]],
    passes: int,
) -> tuple[Kind, list[list[dict[str, float]]]]:
    """Return what was changed, and the rank correlation of each first map with the second one.

    An explainer whose maps depend on a seed is given another seed. Others, and those on whose maps the seed has no
    influence (a method of captum without samples), are given the same image with Gaussian noise of 1 % of its range.

    Args:
        model: stays as it is.
        explainer: made the attributions; stays as it is.
        images: (B, 1, H, W) uint8.
        outputs: of each view.
        attributions: one for each of these outputs.
        passes: forward passes of the explainer in all; a fifth of them, or two views, are spent here.

    Returns:
        ``seed`` or ``noise``; and as ``attributions`` rows with ``stability`` in [-1, 1], empty without a second map.
    """
    chosen = choose(explainer, outputs, passes)
    rows: list[list[dict[str, float]]] = [[{} for _ in own] for own in outputs]
    views = [row for row, own in enumerate(chosen) if own]
    if not views:
        return "seed" if depends_on_seed(explainer) else "noise", rows
    first = [
        [own[c] for c in chosen[row]]
        for row, own in ((row, dict(zip(outputs[row], attributions[row], strict=True))) for row in views)
    ]
    kind, second = explain_again(model, explainer, images[views], [chosen[row] for row in views], first)
    for row, before, after in zip(views, first, second, strict=True):
        found = [spearman(one.signed, other.signed) for one, other in zip(before, after, strict=True)]
        values = dict(zip(chosen[row], found, strict=True))
        rows[row] = [{"stability": values[c]} if c in values else {} for c in outputs[row]]
    return kind, rows


def explain_again(
    model: Model,
    explainer: Explainer,
    images: torch.Tensor,
    outputs: Sequence[Sequence[int]],
    first: Sequence[Sequence[Attribution]],
) -> tuple[Kind, list[list[Attribution]]]:
    """Return the second maps; the first view whose maps show something decides whether the seed has an influence."""
    if depends_on_seed(explainer):
        other = copy(explainer)
        other.seed = explainer.seed + 1  # type: ignore[attr-defined]
        row = next((row for row, own in enumerate(first) if any(np.ptp(one.signed) for one in own)), 0)
        parts = slice(row, row + 1), slice(row), slice(row + 1, None)
        trial = explain_batches(model, other, images[parts[0]], outputs[parts[0]])
        if not all(is_same(a.signed, b.signed) for a, b in zip(first[row], trial[0], strict=True)):
            before, after = (explain_batches(model, other, images[part], outputs[part]) for part in parts[1:])
            return "seed", before + trial + after
    return "noise", explain_batches(model, explainer, add_noise(images), outputs)


def is_same(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two maps (h, w) differ by no more than a batch of another size rounds otherwise."""
    return np.allclose(first, second, rtol=1e-4, atol=1e-6 * float(np.abs(first).max()))


def depends_on_seed(explainer: Explainer) -> bool:
    """Return whether an explainer takes a seed."""
    return isinstance(getattr(explainer, "seed", None), int)


def add_noise(images: torch.Tensor) -> torch.Tensor:
    """Add Gaussian noise of ``NOISE`` of the range to images (B, 1, H, W) uint8, always the same."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).to(images.device)
    return (images.float() + 255 * NOISE * noise).round().clamp(0, 255).byte()


def choose(explainer: Explainer, outputs: Sequence[Sequence[int]], passes: int) -> list[list[int]]:
    """Return the outputs of each view that are explained again: the first ``MAPS`` of each that can be afforded."""
    wanted = limit(outputs, MAPS)
    views = [row for row, own in enumerate(wanted) if own]
    count = max(affordable(explainer, [wanted[row] for row in views], passes // SHARE), LEAST_VIEWS)
    kept = {*views[:count]}
    return [own if row in kept else [] for row, own in enumerate(wanted)]


def count_passes(explainer: Explainer, outputs: Sequence[Sequence[int]], passes: int) -> int:
    """Return the forward passes of :func:`check_stability`, where the seed has an influence or there is none."""
    return sum(explainer.passes(len(own)) for own in choose(explainer, outputs, passes) if own)
