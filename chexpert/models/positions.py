"""Position embeddings of a transformer, for images of another size."""

from math import isqrt, prod
from typing import Any

import torch
from timm.layers import PatchEmbed, resample_abs_pos_embed

from chexpert.image_size import ImageSize

POSITIONS = "pos_embed"
"""Name of the embeddings in timm's networks: of the class token and registers where they have any, and of the patches
in rows."""


def fit_positions(net: Any, positions: torch.Tensor, size: ImageSize | None = None) -> torch.Tensor:
    """Resample position embeddings to the patches of a network, as timm does.

    timm's filter of checkpoints takes the patches that it reads for a square.

    Args:
        net: of timm.
        positions: (1, N, K), of other weights of this network.
        size: of the images that these weights were trained on; by default a square.

    Returns:
        (1, M, K) for the M tokens of the network; ``positions`` themselves where they fit, or nothing can be done.
    """
    embed, wanted = getattr(net, "patch_embed", None), getattr(net, POSITIONS, None)
    if not isinstance(embed, PatchEmbed) or wanted is None or wanted.ndim != 3 or positions.ndim != 3:
        return positions
    before = wanted.shape[1] - prod(embed.grid_size)
    patches = positions.shape[1] - before
    side = isqrt(max(patches, 0))
    grid = (size.height // embed.patch_size[0], size.width // embed.patch_size[1]) if size else (side, side)
    if prod(grid) != patches or positions.shape[2] != wanted.shape[2]:
        return positions
    return resample_abs_pos_embed(positions, list(embed.grid_size), list(grid), before)
