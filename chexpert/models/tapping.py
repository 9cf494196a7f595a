"""Where an explainer may cut a network: at its stages, or where the class token last reads the patches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.image_size import ImageSize

if TYPE_CHECKING:
    from chexpert.models.backbone import Backbone


def list_stages(net: Any) -> dict[int, str]:
    """Return the name of the last stage of each number of pixels a cell."""
    modules = {name for name, _ in net.named_modules()}
    feature_info = getattr(net, "feature_info", [])  # of some networks by names that they do not have
    return {info["reduction"]: info["module"] for info in feature_info if info["module"] in modules}


def tap_stage(backbone: Backbone, images: torch.Tensor, stage: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output of a stage, as a leaf, and the features that are made from it.

    Raises:
        UserError: the stage has several outputs.
    """
    leaves: list[torch.Tensor] = []

    def cut(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        check_single(backbone, stage, output)
        torch.set_grad_enabled(True)
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()  # what works in place behind it, as many a ReLU, must not change the leaf

    with removing(backbone.net.get_submodule(stage).register_forward_hook(cut)), torch.no_grad():
        last = backbone(images)
    return leaves[-1], last


def check_single(backbone: Backbone, stage: str, output: object) -> None:
    """Check that a stage has one output.

    Raises:
        UserError: it has several.
    """
    if not isinstance(output, torch.Tensor):  # HRNet's branches, TNT's tokens of two kinds
        raise UserError(
            f"{backbone.name}.{stage} puts out several maps",
            code="feature-map",
            where="explainer.*.stride",
            hint="null: the last map",
        )


def pass_stage(
    backbone: Backbone, images: torch.Tensor, stage: str, layer: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Return the features of images of which the map of a stage passes a layer; gradients are kept.

    Raises:
        UserError: the stage has several outputs.
    """
    size = images.shape[-2:]

    def divert(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        check_single(backbone, stage, output)
        passed = put_map(backbone, output, layer(backbone.to_map(output, size)))
        return passed.clone()  # what works in place behind it must not change what the layer has put out

    with removing(backbone.net.get_submodule(stage).register_forward_hook(divert)):
        return backbone(images)


def pass_attention(
    backbone: Backbone, images: torch.Tensor, layer: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Return the tokens of images of which the map that the last attention reads passes a layer; gradients are kept.

    Raises:
        UserError: this network's attention cannot be found or cut.
    """
    size = images.shape[-2:]

    def divert(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        check_attention_input(backbone, args)
        return put_map(backbone, args[0], layer(backbone.to_map(args[0], size))), *args[1:]

    attention = backbone.net.get_submodule(find_last_attention(backbone))
    with removing(attention.register_forward_pre_hook(divert)):
        return backbone(images)


def put_map(backbone: Backbone, features: torch.Tensor, map_: torch.Tensor) -> torch.Tensor:
    """Return a stage's output with another map (B, K, h, w) for that of its patches: the way back of ``to_map``."""
    if features.ndim == 3:
        before = features.shape[1] - map_[0, 0].numel()
        return torch.cat([features[:, :before], map_.flatten(2).transpose(1, 2)], dim=1)
    return map_.permute(0, 2, 3, 1) if getattr(backbone.net, "output_fmt", "NCHW") == "NHWC" else map_


def check_attention_input(backbone: Backbone, args: tuple[Any, ...]) -> None:
    """Check that an attention reads tokens (B, N, K).

    Raises:
        UserError: it does not.
    """
    tokens = args[0] if args else None
    if not isinstance(tokens, torch.Tensor) or tokens.ndim != 3 or tokens.shape[2] != backbone.net.num_features:
        raise unreadable_class_token(backbone)


def tap_class_token(backbone: Backbone, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the map that the class token is last computed from, as a leaf, and the tokens of the last layer.

    Patches reach the class token through attention alone, so the map is the input of the last attention, behind the
    norm of its block: ``blocks[-1].norm1`` of pytorch-grad-cam. The input of the block itself would not do, since a
    norm's output does not change with the size of its input: gradient times feature would be 0 in every cell. The class
    token and registers are no part of the map, and count as constants.

    Where the patches' mean is pooled beside the class token, the map has twice the channels: behind those above, the
    last map. Each half reaches the logit by its own half of the vector, so that what both say adds up.

    Returns:
        The leaf (B, K or 2K, h, w), and tokens (B, N, K).

    Raises:
        UserError: this network's attention cannot be found or cut.
    """
    size = images.shape[-2:]
    leaves: list[torch.Tensor] = []
    read: list[torch.Tensor] = []

    def shift(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        check_attention_input(backbone, args)
        tokens = args[0]
        torch.set_grad_enabled(True)
        read.append(backbone.to_map(tokens.detach(), size))
        batch, _, *grid = read[-1].shape
        # 0 for now: what is added to the features has their gradient, and their values are known at the end only
        leaves.append(tokens.new_zeros(batch, backbone.width, *grid).requires_grad_())
        return add_to_patches(tokens.detach(), leaves[-1][:, : read[-1].shape[1]]), *args[1:]

    attention = backbone.net.get_submodule(find_last_attention(backbone))
    with removing(attention.register_forward_pre_hook(shift)), torch.no_grad():
        tokens = backbone(images)
    if len(leaves) != 1:
        raise unreadable_class_token(backbone)
    (leaf,) = leaves
    if backbone.pooling == "cls+avg":
        read.append(backbone.to_map(tokens.detach(), size))
        before = tokens.shape[1] - read[-1][0, 0].numel()
        with torch.enable_grad():
            patches = add_to_patches(tokens.detach(), leaf[:, -read[-1].shape[1] :])[:, before:]
            tokens = torch.cat([tokens[:, :before], patches], dim=1)
    with torch.no_grad():
        leaf.copy_(torch.cat(read, dim=1))
    return leaf, tokens


def add_to_patches(tokens: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """Return tokens (B, N, K), with a map (B, K, h, w) added to those of the patches, the last ones."""
    before = tokens.shape[1] - added[0, 0].numel()
    return torch.cat([tokens[:, :before], tokens[:, before:] + added.flatten(2).transpose(1, 2)], dim=1)


def find_last_attention(backbone: Backbone) -> str:
    """Return the name of the last attention of a transformer.

    Raises:
        UserError: it has none under timm's usual name, or several side by side.
    """
    names = [name for name, _ in backbone.net.named_modules() if name.endswith(".attn") and ".attns." not in name]
    if not names:
        raise unreadable_class_token(backbone)
    return names[-1]


def unreadable_class_token(backbone: Backbone) -> UserError:
    """Return the error of a network whose last attention cannot be cut."""
    message = f"where the class token of {backbone.name} reads the patches cannot be found"
    hint = f"{backbone.place}.pooling=avg, or an explainer that reads images only: explainer=[lime,occlusion]"
    return UserError(message, code="feature-map", where="explainer", hint=hint)


def check_tokens(backbone: Backbone, tokens: Any, size: ImageSize) -> torch.Tensor:
    """Return the tokens (B, N, K) of a transformer's last layer, of images of this size.

    Raises:
        UserError: these are several maps, or there is no class token among them.
    """
    if isinstance(tokens, torch.Tensor) and tokens.ndim == 3 and backbone.grid.find(tokens.shape[1], size)[0]:
        return tokens
    message, key = f"{backbone.name} puts out no class token before its patches", f"{backbone.place}.pooling"
    raise UserError(message, code="feature-map", where=key, hint=f"{key}=avg")


def check_class_token(net: nn.Module, name: str) -> None:
    """Check that a network has a class token; registers alone are none.

    Raises:
        UserError: it has none.
    """
    if any(key.rpartition(".")[2] == "cls_token" for key, _ in net.named_parameters()):
        return
    message = f"{name} has no class token to pool"
    ways = "backbone.pooling=avg (of a member model.members.NAME.pooling=avg)"
    hint = f"{ways}, or a transformer with a class token, such as vit_small_patch16_224"
    raise UserError(message, code="conflict", where="backbone.pooling", hint=hint)


@contextmanager
def removing(hook: torch.utils.hooks.RemovableHandle) -> Iterator[None]:
    """Remove a hook at the end."""
    try:
        yield
    finally:
        hook.remove()
