"""A timm network without its head."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from math import prod, sqrt
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import PatchEmbed
from torch import nn

from chexpert.errors import OWN, UserError
from chexpert.image_size import ImageSize
from chexpert.models.activation import ActivationWatch
from chexpert.models.card_weights import load_card
from chexpert.models.history import describe_history
from chexpert.models.pretrained import create_pretrained, load_weights
from chexpert.models.public_weights import check_weights, fitting_sizes, get_public_weights
from chexpert.weights import Source, parse_source

WEIGHT_OPTIONS = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")
"""Arguments by which timm would load weights past the safe loading of this project."""


class Backbone(nn.Module):
    """A convolutional network up to its last feature map, which normalizes its own input.

    The gray statistics are buffers here and not a step of the loader, so that training, validation, explanation
    and prediction cannot differ in them, and the members of a combined model can each have their own.

    Args:
        name: any timm model name.
        pretrained: True takes timm's ImageNet weights (the stem summed to one channel), False none, ``NAME`` public
            weights (``chexpert weights list``), ``NAME:FILE`` a copy of their file, ``hf:OWNER/REPO`` those of a
            repository of timm, and a path the weights in that file: safetensors, a plain state dict, or a checkpoint
            of an earlier run.
        frozen: keep the weights, and the statistics of normalization layers, as they are.
        mean: gray mean of the input in [0, 1]; by default what the weights were trained with.
        std: gray standard deviation, likewise.
        options: further arguments of ``timm.create_model``, but none that names weights.
    """

    net: Any
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        name: str,
        pretrained: bool | str = False,
        frozen: bool = False,
        mean: float | None = None,
        std: float | None = None,
        options: dict | None = None,
    ) -> None:
        super().__init__()
        self.name, self.frozen = name, frozen
        source = parse_source(str(pretrained)) if isinstance(pretrained, str | Path) else Source()
        public = get_public_weights(source, name, options or {}, {"mean": mean, "std": std})
        options = {"in_chans": 1, "num_classes": 0, **(public.card.options if public else {}), **(options or {})}
        self.options = options
        if pretrained is True:
            self.net = create_pretrained(name, **options)
        else:
            self.net = timm.create_model(name, pretrained=False, **options)
        if hasattr(self.net, "pre_logits"):
            self.net.pre_logits = nn.Identity()  # VGG's 119 million weights between features and head
        own: Mapping[str, tuple[float, ...]] = {}
        metadata = None
        if public:
            card = public.card.select_statistics({"mean": mean, "std": std}) or public.card
            load_card(self.net, card, public.path)
            own = {"mean": card.mean, "std": card.std}
        elif source.file:
            own, metadata = load_weights(
                self.net, source.file, name, own_statistics=mean is not None and std is not None
            )
        self.history = describe_history(pretrained, public and public.card, self.net.pretrained_cfg, metadata)
        self.width: int = self.net.num_features
        embeds = [module for module in self.net.modules() if isinstance(module, PatchEmbed)]
        # of the image itself; in a list, or its weights would be registered twice
        self._embeds = [module for module in embeds if module.proj.in_channels == options["in_chans"]][:1]
        statistics = self.net.pretrained_cfg
        self.register_buffer("mean", _gray(mean, own.get("mean", statistics.get("mean", (0.449,)))))
        self.register_buffer("std", _gray(std, own.get("std", statistics.get("std", (0.226,)))))
        self._sides: dict[int | None, str] = {}
        self.requires_grad_(not frozen)
        self.train()

    @staticmethod
    def validate_args(
        name: str,
        pretrained: bool | str = False,
        options: dict | None = None,
        mean: float | None = None,
        std: float | None = None,
        **_: object,
    ) -> list[UserError]:
        """Return the errors in these arguments, before anything is built."""
        errors = [
            UserError(
                f"{key} is not an option",
                code="unknown-key",
                where=f"{OWN}options",
                hint="pretrained=PATH",
            )
            for key in options or {}
            if key in WEIGHT_OPTIONS
        ]
        if not timm.is_model(name):
            close = get_close_matches(str(name), timm.list_models(), n=8)
            message = f"timm has no model {name!r}"
            hint = "did you mean one of " + ", ".join(close) if close else "timm.list_models() has all names"
            errors.append(UserError(message, code="unknown-backbone", where=f"{OWN}name", hint=hint))
        errors += check_weights(pretrained, name, options or {}, {"mean": mean, "std": std})
        return errors

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the feature map (B, K, h, w) that pooling reads, of images (B, 1, H, W), uint8 or float in [0, 1].

        For DenseNet this is after the last ReLU, for EfficientNet after the 1x1 head convolution.

        Raises:
            UserError: a transformer that was made for another size.
        """
        size = ImageSize(*images.shape[-2:])
        self._check_size(size)
        scale = 1 if images.is_floating_point() else 255
        images = images.to(self.mean.dtype) / scale
        return self.to_map(self.net.forward_features((images - self.mean) / self.std), size)

    def tap(self, images: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the output of the last stage of this many pixels a cell, as a leaf, and the last feature map.

        The last feature map is made from the leaf.

        Gradients are kept from the leaf on, whatever the mode around. ``to_map`` makes a map of the leaf.

        Raises:
            UserError: the network has no such stage.
        """
        leaves: list[torch.Tensor] = []
        stage = self.layer_at(stride)

        def cut(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
            if not isinstance(output, torch.Tensor):  # HRNet's branches, TNT's tokens of two kinds
                raise UserError(
                    f"{stage} puts out several maps",
                    code="feature-map",
                    where="explainer.*.stride",
                    hint="null: the last map",
                )
            torch.set_grad_enabled(True)
            leaves.append(output.detach().requires_grad_())
            return leaves[-1].clone()  # what works in place behind it, as many a ReLU, must not change the leaf

        hook = self.net.get_submodule(self._find_stage(stride)).register_forward_hook(cut)
        try:
            with torch.no_grad():
                last = self(images)
        finally:
            hook.remove()
        return leaves[-1], last

    def freeze(self, frozen: bool = True) -> None:
        """Keep weights and statistics as they are from now on, or let them be trained once ``train`` is called."""
        self.frozen = frozen
        self.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> "Backbone":
        """Set the mode; a frozen backbone stays in eval mode, or its batch statistics would drift."""
        return super().train(mode and not self.frozen)

    def layer_at(self, stride: int | None = None) -> str:
        """Return the name of the layer whose feature map is taken, for the caption of a picture."""
        return f"{self.name}.{'forward_features' if stride is None else self._find_stage(stride)}"

    def activation_side(self, images: torch.Tensor, stride: int | None = None) -> str:
        """Return on which side of its activation a feature map is read: ``after``, ``before`` or ``none``.

        Seen in a pass of the first of the images (B, 1, H, W), in evaluation mode, once: it is the network's nature.
        """
        if stride not in self._sides:
            training = {module: module.training for module in self.modules()}
            self.eval()  # or batch statistics would drift
            try:
                with torch.no_grad(), ActivationWatch() as watch:
                    self._follow(watch, images[:1], stride)
            finally:
                for module, mode in training.items():
                    module.training = mode
            self._sides[stride] = watch.side
        return self._sides[stride]

    def _follow(self, watch: ActivationWatch, images: torch.Tensor, stride: int | None) -> None:
        if stride is None:
            watch.follow(self(images))
            return
        stage = self.net.get_submodule(self._find_stage(stride))
        hook = stage.register_forward_hook(lambda module, inputs, output: watch.follow(output))
        try:
            self(images)
        finally:
            hook.remove()

    def _find_stage(self, stride: int) -> str:
        """Name of the last stage of this many pixels a cell."""
        modules = {name for name, _ in self.net.named_modules()}
        feature_info = getattr(self.net, "feature_info", [])  # of some networks by names that they do not have
        stages = {info["reduction"]: info["module"] for info in feature_info if info["module"] in modules}
        if stride not in stages:
            hint = ", ".join(["null for the last map", *map(str, stages)])
            raise UserError(
                f"{self.name} has no stage of stride {stride}",
                code="feature-map",
                where="explainer.*.stride",
                hint=hint,
            )
        return stages[stride]

    def to_map(self, features: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Return a stage's output, or its gradient, as (B, K, h, w): tokens and channels-last are turned.

        Args:
            features: of a stage.
            size: height and width in pixels of the images that they were computed from.

        Raises:
            UserError: these are several maps, or tokens that are no grid.
        """
        if not isinstance(features, torch.Tensor):  # CoaT, CrossViT
            message = f"{self.name} puts out several maps and no last one"
            raise UserError(message, code="feature-map", where="backbone.name", hint="another backbone")
        if features.ndim == 3:  # tokens of a transformer, (B, N, K)
            before, grid = self._find_grid(features.shape[1], ImageSize(*size))
            return features[:, before:].transpose(1, 2).unflatten(2, grid)
        if getattr(self.net, "output_fmt", "NCHW") == "NHWC":  # as Swin gives them
            return features.permute(0, 3, 1, 2)
        return features

    def _find_grid(self, tokens: int, size: ImageSize) -> tuple[int, tuple[int, int]]:
        """How many class and register tokens come first, and rows and columns of the patches behind them."""
        # CaiT, XCiT: a stage has no class token yet; VOLO has one and does not say so
        for before in (getattr(self.net, "num_prefix_tokens", 0), 0, 1):
            for grid in self._list_grids(tokens - before, size):
                if prod(grid) == tokens - before:
                    return before, grid
        message = f"{self.name} puts out {tokens} tokens, which are no grid on images of {size} px"
        raise UserError(
            message, code="feature-map", where="backbone.name", hint="a network that keeps one token for each patch"
        )

    def _list_grids(self, tokens: int, size: ImageSize) -> Iterator[tuple[int, int]]:
        """Rows and columns of patches, where each may have a token; and of square cells, since some networks pool."""
        if self._patches is not None:
            high, wide = self._patches.patch_size
            yield size.height // high, size.width // wide
        if tokens > 0:
            cell = sqrt(size.pixels / tokens)
            yield round(size.height / cell), round(size.width / cell)

    @property
    def _patches(self) -> PatchEmbed | None:
        """What cuts the image into patches that do not overlap, where the network has such a layer."""
        return self._embeds[0] if self._embeds else None

    @property
    def made_for(self) -> ImageSize:
        """Size of the images that timm's weights were trained on."""
        return ImageSize(*self.net.pretrained_cfg.get("input_size", (1, 224, 224))[1:])

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width in pixels of a patch, or of a cell of the last map: multiples of them leave nothing over."""
        if self._patches is not None:
            high, wide = self._patches.patch_size
            return high, wide
        side = max((info["reduction"] for info in getattr(self.net, "feature_info", [])), default=32)
        return side, side

    def _check_size(self, size: ImageSize) -> None:
        """Patches that do not fill the image would leave its last rows unseen, and stretch every map."""
        if self._patches is None:
            return
        high, wide = self.cell
        if size.height % high or size.width % wide:
            message = (
                f"patches of {high} x {wide} pixels ({self.name}) do not fill images of {size.height} x {size.width}"
            )
            fits = fitting_sizes(size, self.cell)
            hint = " or ".join(f"data.image_size={fit.setting} {_say_size(fit)}" for fit in fits)
            raise UserError(message, code="image-size", where="data.image_size", hint=hint)
        own = self._patches.img_size if self._patches.strict_img_size else None
        if own and tuple(own) != size:
            message = f"{self.name} takes images of {own[0]} x {own[1]} pixels, not {size.height} x {size.width}"
            hint = f"data.image_size={ImageSize(*own).setting}, or {_say_size(size)}"
            raise UserError(message, code="image-size", where="data.image_size", hint=hint)


def find_family(name: str) -> str:
    """Return the module of timm that a network is defined in.

    >>> find_family("resnet18")
    'resnet'
    """
    return timm.model_entrypoint(name).__module__.rpartition(".")[2]


def _say_size(size: ImageSize) -> str:
    return f"+backbone.options.img_size={size.setting}"


def _gray(value: float | None, channels: tuple[float, ...]) -> torch.Tensor:
    """One gray value for the three color values of ImageNet; a gray image has equal channels."""
    return torch.tensor(sum(channels) / len(channels) if value is None else float(value))
