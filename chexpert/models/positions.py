"""Position embeddings of a transformer, for images of another size."""

import warnings
from collections.abc import Mapping
from contextlib import suppress
from math import isqrt, prod
from typing import Any

import torch
from timm.layers import PatchEmbed, resample_abs_pos_embed, resize_rel_pos_bias_table

from chexpert.image_size import ImageSize

POSITIONS = "pos_embed"
"""Name of the embeddings in timm's networks: of the class token and registers where they have any, and of the patches
in rows."""
BIAS_TABLE = "relative_position_bias_table"
"""End of the name of a table of relative positions: of BEiT, Swin, MaxViT and CoAtNet."""


def fit_bias_tables(
    net: torch.nn.Module, state: Mapping[str, torch.Tensor], prefix: str = "", size: ImageSize | None = None
) -> dict[str, torch.Tensor]:
    """Resample the tables of relative positions to the windows of a network, as timm does.

    Args:
        net: of timm.
        state: of other weights of this network, by name.
        prefix: of the names.

        size: of the images that the network of these weights was made for, as :func:`fit_positions` has it.

    Returns:
        ``state`` with other tables; one of windows that are unknown and no squares stays as it is.
    """
    fitted, embed = dict(state), getattr(net, "patch_embed", None)
    grid = before = None
    if isinstance(embed, PatchEmbed):
        grid, (high, wide) = tuple(embed.grid_size), embed.patch_size
        before = (size.height // high, size.width // wide) if size else None
    for key, wanted in net.state_dict().items():
        table = fitted.get(prefix + key)
        if not key.endswith(BIAS_TABLE) or table is None:
            continue
        window: Any = net.get_submodule(key.removesuffix(f".{BIAS_TABLE}")).window_size
        old = before if tuple(window) == grid else None  # a window that grows with the image, as BEiT's
        if tuple(window) == old or (old is None and (table.shape == wanted.shape or window[0] != window[1])):
            continue
        with suppress(ValueError, AssertionError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about how timm indexes
            given = {"old_window_size": old} if old else {}
            fitted[prefix + key] = resize_rel_pos_bias_table(table, window, wanted.shape, **given)
    return fitted


def fit_positions(net: Any, positions: torch.Tensor, size: ImageSize | None = None) -> torch.Tensor:
    """Resample position embeddings to the patches of a network, as timm does.

    timm's filter of checkpoints takes the patches that it reads for a square.

    Args:
        net: of timm.
        positions: (1, N, K), of other weights of this network.
        size: of the images that the network of these weights was made for, whatever it was trained on. By default that
            of this network, where as many tokens have embeddings, and otherwise a square.

    Returns:
        (1, M, K) for the M tokens of the network; ``positions`` themselves where they fit, or nothing can be done.
    """
    embed, wanted = getattr(net, "patch_embed", None), getattr(net, POSITIONS, None)
    if not isinstance(embed, PatchEmbed) or wanted is None or wanted.ndim != 3 or positions.ndim != 3:
        return positions
    if size is None and positions.shape == wanted.shape:
        return positions
    before = wanted.shape[1] - prod(embed.grid_size)
    patches = positions.shape[1] - before
    side = isqrt(max(patches, 0))
    grid = (size.height // embed.patch_size[0], size.width // embed.patch_size[1]) if size else (side, side)
    if prod(grid) != patches or positions.shape[2] != wanted.shape[2]:
        return positions
    return resample_abs_pos_embed(positions, list(embed.grid_size), list(grid), before)


def find_made_for(config: Mapping[str, Any], member: str) -> ImageSize | None:
    """Return the size of images that a member of an earlier run's model was made for; None where no option says it.

    Args:
        config: of that run.
        member: its branch name; ``backbone`` of a single model.
    """
    model = config.get("model")
    for key in ("backbone",) if member == "backbone" else ("members", member):
        model = model.get(key) if isinstance(model, Mapping) else None
    options = model.get("options") if isinstance(model, Mapping) else None
    size = options.get("img_size") if isinstance(options, Mapping) else None
    try:
        return None if size is None else ImageSize.of(size)
    except ValueError:
        return None
