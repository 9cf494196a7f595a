"""The names that public weight files have for the parts of a network, turned into timm's.

Each layout is renamed as far as timm's own filter of the network does not do it. The sources of the names stand in the
cards (``chexpert/weights/cards``).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch

State = dict[str, torch.Tensor]

PREFERRED = ("teacher.", "model_ema.")
"""Of several copies of a network in a file, the one that its authors use: an average of the others over time."""


class KeyLayout(NamedTuple):
    """How a file names the parts of a network.

    Args:
        anchor: a name that each file has; what stands before it stands before all others too.
        convert: returns the state under the names that timm's filter takes.
    """

    anchor: str
    convert: Callable[[State], State]


def strip_prefix(found: Mapping[str, torch.Tensor], anchor: str) -> State | None:
    """Return the entries under the prefix of the anchor, without it; None if there is no anchor, or several.

    Entries outside the prefix are left out: the other tower of a CLIP model, the state of an optimizer.
    """
    prefixes = [key.removesuffix(anchor) for key in found if key == anchor or key.endswith(f".{anchor}")]
    outer = [one for one in prefixes if not any(one != other and one.startswith(other) for other in prefixes)]
    chosen = [one for one in outer if one.startswith(PREFERRED)] or outer
    if len(chosen) != 1:
        return None
    return {key.removeprefix(chosen[0]): value for key, value in found.items() if key.startswith(chosen[0])}


def rename(state: Mapping[str, torch.Tensor], patterns: Iterable[tuple[str, str]]) -> State:
    """Return the state with each name as the first pattern that it matches from its start makes it."""
    compiled = [(re.compile(pattern), new) for pattern, new in patterns]
    return {_rename(key, compiled): value for key, value in state.items()}


def _rename(key: str, patterns: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, new in patterns:
        if pattern.match(key):
            return pattern.sub(new, key, count=1)
    return key


def join_qkv(state: State, names: tuple[str, str, str], joined: str) -> State:
    """Return the state with query, key and value, which are separate, as one tensor, in this order.

    Args:
        state: its names end as ``names`` and ``.weight`` or ``.bias``.
        names: of query, key and value.
        joined: name of the three together.
    """
    kept = dict(state)
    for key in state:
        block, middle, kind = key.rpartition(f"{names[0]}.")
        if middle and kind in ("weight", "bias"):
            parts = [kept.pop(f"{block}{name}.{kind}", None) for name in names]
            kept |= {f"{block}{joined}.{kind}": torch.cat([part for part in parts if part is not None])}
    return kept


def _leave(state: State) -> State:
    return state


def _convert_eva(state: State) -> State:
    """Leave out the mask token, by which timm's filter would move the last norm behind an average."""
    return {key: value for key, value in state.items() if key != "mask_token"}


DINOV2 = (
    (r"embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"embeddings\.position_embeddings$", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"encoder\.layer\.(\d+)\.attention\.attention\.", r"blocks.\1.attn."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"blocks.\1.attn.proj."),
    (r"encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1$", r"blocks.\1.ls\2.gamma"),
    (r"encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"layernorm\.", "norm."),
)


def _convert_transformers_dinov2(state: State) -> State:
    """Turn the names of Dinov2Model and Dinov2WithRegistersModel into those of DINOv2's own network."""
    named = join_qkv(rename(state, DINOV2), ("query", "key", "value"), "qkv")
    # timm's filter knows DINOv2 by its mask token, and joins the class token to its position only then
    return {"mask_token": torch.zeros(1)} | named


CLIP = (
    (r"embeddings\.class_embedding$", "cls_token"),
    (r"embeddings\.position_embedding\.weight$", "pos_embed"),
    (r"embeddings\.patch_embedding\.", "patch_embed.proj."),
    (r"pre_layrnorm\.", "norm_pre."),  # the library's own spelling
    (r"post_layernorm\.", "norm."),
    (r"encoder\.layers\.(\d+)\.layer_norm(\d)\.", r"blocks.\1.norm\2."),
    (r"encoder\.layers\.(\d+)\.self_attn\.out_proj\.", r"blocks.\1.attn.proj."),
    (r"encoder\.layers\.(\d+)\.self_attn\.", r"blocks.\1.attn."),
    (r"encoder\.layers\.(\d+)\.", r"blocks.\1."),
)


def _convert_transformers_clip(state: State) -> State:
    """Turn the names of CLIPVisionModel into timm's; class token and positions get the axes that timm's have."""
    named = join_qkv(rename(state, CLIP), ("q_proj", "k_proj", "v_proj"), "qkv")
    axes = {"cls_token": (1, 1, -1), "pos_embed": (1, *named["pos_embed"].shape)} if "pos_embed" in named else {}
    return named | {key: named[key].reshape(shape) for key, shape in axes.items() if key in named}


_STAGE = r"features\.{}\.(\d+)\.block\.{}\."
EFFICIENTNETV2_S = (
    (r"features\.0\.0\.", "conv_stem."),
    (r"features\.0\.1\.", "bn1."),
    (r"features\.7\.0\.", "conv_head."),
    (r"features\.7\.1\.", "bn2."),
    (_STAGE.format(1, r"0\.0"), r"blocks.0.\1.conv."),
    (_STAGE.format(1, r"0\.1"), r"blocks.0.\1.bn1."),
    *[
        (_STAGE.format(stage, old), rf"blocks.{stage - 1}.\1.{new}.")
        for stage in (2, 3)  # fused: one convolution of 3 x 3 in place of two
        for old, new in ((r"0\.0", "conv_exp"), (r"0\.1", "bn1"), (r"1\.0", "conv_pwl"), (r"1\.1", "bn2"))
    ],
    *[
        (_STAGE.format(stage, old), rf"blocks.{stage - 1}.\1.{new}.")
        for stage in (4, 5, 6)
        for old, new in (
            (r"0\.0", "conv_pw"), (r"0\.1", "bn1"), (r"1\.0", "conv_dw"), (r"1\.1", "bn2"),
            (r"2\.fc1", "se.conv_reduce"), (r"2\.fc2", "se.conv_expand"), (r"3\.0", "conv_pwl"), (r"3\.1", "bn3"),
        )
    ],
)  # fmt: skip


def _convert_efficientnetv2_s(state: State) -> State:
    return rename(state, EFFICIENTNETV2_S)


PATCHES = "patch_embed.proj.weight"
KEY_LAYOUTS: Mapping[str, KeyLayout] = {
    "timm": KeyLayout(PATCHES, _leave),
    "dinov2": KeyLayout(PATCHES, _leave),
    "swin": KeyLayout(PATCHES, _leave),
    "open_clip_timm": KeyLayout(PATCHES, _leave),
    "eva": KeyLayout(PATCHES, _convert_eva),
    "transformers_dinov2": KeyLayout("embeddings.patch_embeddings.projection.weight", _convert_transformers_dinov2),
    "transformers_clip": KeyLayout("embeddings.patch_embedding.weight", _convert_transformers_clip),
    "torchvision_densenet": KeyLayout("features.conv0.weight", _leave),
    "torchvision_resnet": KeyLayout("conv1.weight", _leave),
    "torchvision_efficientnetv2_s": KeyLayout("features.0.0.weight", _convert_efficientnetv2_s),
}
"""By the name that a card has for it."""
