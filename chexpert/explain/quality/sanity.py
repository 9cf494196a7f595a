"""Weight randomization (Adebayo et al. 2018, arxiv.org/abs/1810.03292): a map must change with what was learned."""

import math
from collections.abc import Collection, Sequence

import numpy as np
import torch

from chexpert.explain.attribution import Attribution, Explainer
from chexpert.explain.explained_views import explain_batches
from chexpert.explain.quality.weight_randomization import find_blocks, randomize
from chexpert.metrics import spearman
from chexpert.models import Model

MOST_ALIKE = 0.3
"""Mean size of the rank correlation with the maps of the trained model that still passes."""

VIEWS = 16
SEEDS = 3
SHARE = 5  # an explainer may spend this fraction of its forward passes on randomized models
LEAST_VIEWS = 2  # and as much more as these take: without a verdict, a dear explainer would pass for a sound one


def compare_randomized(
    model: Model,
    explainer: Explainer,
    images: torch.Tensor,
    outputs: Sequence[Sequence[int]],
    attributions: Sequence[Sequence[Attribution]],
    names: Collection[str],
    seed: int,
) -> list[list[float]]:
    """Return the rank correlation of each map with that of the model after some parameters were shuffled.

    Args:
        model: stays as it is.
        explainer: made the attributions.
        images: (B, 1, H, W) uint8.
        outputs: of each view.
        attributions: of the model as it is, one for each of these outputs.
        names: of the parameters; see :func:`chexpert.explain.quality.weight_randomization.find_blocks`.
        seed: of the shuffle.

    Returns:
        As ``attributions``: signed maps compared, in [-1, 1]; NaN where one of them is constant.
    """
    changed = explain_batches(randomize(model, names, images, seed), explainer, images, outputs)
    return [
        [spearman(before.signed, after.signed) for before, after in zip(*own, strict=True)]
        for own in zip(attributions, changed, strict=True)
    ]


def between_observations(attributions: Sequence[Attribution]) -> list[float]:
    """Return the mean rank correlation of each map of a view with the other maps; NaN where there is no other."""
    rhos = np.full((len(attributions),) * 2, np.nan)
    for a, one in enumerate(attributions):
        for b, other in enumerate(attributions[:a]):
            rhos[a, b] = rhos[b, a] = spearman(one.signed, other.signed)
    return [float(row[~np.isnan(row)].mean()) if (~np.isnan(row)).any() else float("nan") for row in rhos]


def check_sanity(
    model: Model,
    explainer: Explainer,
    images: torch.Tensor,
    outputs: Sequence[Sequence[int]],
    attributions: Sequence[Sequence[Attribution]],
    passes: int,
) -> list[list[dict[str, float]]]:
    """Return rank correlations with the maps of randomized models, as many as the passes allow.

    The top block comes first, then further seeds of it, then the cascade down to the stem. ``top_block`` and its
    size ``top_block_size`` are means over the seeds; ``cascade_2`` is that after two blocks, and so on. Two views
    are checked even where an explainer is so dear that they take more than its share of the passes.
    """
    blocks = find_blocks(model)
    runs = max(passes // SHARE // max(_cost(explainer, outputs), 1), min(len(outputs), LEAST_VIEWS))
    count = min(len(outputs), VIEWS, runs)
    if not count:
        return [[{} for _ in own] for own in outputs]
    seeds = min(SEEDS, runs // count)
    depths = range(2, len(blocks) + 1) if runs >= count * (seeds + len(blocks) - 1) else range(0)

    def compare(depth: int, seed: int) -> list[list[float]]:
        names = {name for block in blocks[:depth] for name in block}
        some = images[:count], outputs[:count], attributions[:count]
        return compare_randomized(model, explainer, *some, names, seed)

    tops = [compare(1, seed) for seed in range(seeds)]
    cascade = {f"cascade_{depth}": compare(depth, 0) for depth in depths}
    return [
        [
            _mean_over_seeds([top[row][rank] for top in tops]) | {key: rhos[row][rank] for key, rhos in cascade.items()}
            for rank in range(len(own))
        ]
        if row < count
        else [{} for _ in own]
        for row, own in enumerate(outputs)
    ]


def count_passes(explainer: Explainer, outputs: Sequence[Sequence[int]], passes: int) -> int:
    """Estimate the forward passes of :func:`check_sanity`: no more than its share of them, or its least views."""
    cost = _cost(explainer, outputs)
    return min(max(passes // SHARE, LEAST_VIEWS * cost), VIEWS * (SEEDS + 3) * cost)


def _cost(explainer: Explainer, outputs: Sequence[Sequence[int]]) -> int:
    """Forward passes of the dearest view."""
    return max((explainer.passes(len(own)) for own in outputs), default=0)


def _mean_over_seeds(rhos: Sequence[float]) -> dict[str, float]:
    defined = [rho for rho in rhos if not math.isnan(rho)]
    if not defined:
        return {}
    return {"top_block": float(np.mean(defined)), "top_block_size": float(np.mean(np.abs(defined)))}
