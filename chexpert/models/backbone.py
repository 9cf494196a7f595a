"""A timm network without its head."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from chexpert.errors import OWN, UserError
from chexpert.image_size import ImageSize
from chexpert.models.activation import ActivationWatch
from chexpert.models.card_weights import load_card
from chexpert.models.history import describe_history
from chexpert.models.layers import find_depths
from chexpert.models.patches import PatchGrid
from chexpert.models.pooling import CLASS_TOKEN, SHARPNESS, Pooling, find_pooling_errors, no_vectors, pool_map
from chexpert.models.pretrained import create_pretrained, load_weights
from chexpert.models.public_weights import check_weights, get_public_weights
from chexpert.models.stem import find_channel_errors, make_statistic
from chexpert.models.tapping import (
    check_class_token,
    check_tokens,
    find_last_attention,
    list_stages,
    pass_attention,
    pass_stage,
    tap_class_token,
    tap_stage,
)
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
        options: further arguments of ``timm.create_model``, but none that names weights. With ``in_chans=3`` the
            network gets the gray image three times, each by the mean and standard deviation of its channel.
        pooling: of the last features: the mean of the map (``avg``), its maximum (``max``), log-sum-exp (``lse``),
            probabilistic CAM (``pcam``); of a transformer, its class token (``cls``), or beside it the mean of the
            patch tokens (``cls+avg``).
        sharpness: r of ``lse``: near 0 it is the mean, the larger the nearer to the maximum.
    """

    net: Any
    place = "backbone"
    """Its key in the config, for hints; a combined model changes it."""
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
        pooling: Pooling = "avg",
        sharpness: float = SHARPNESS,
    ) -> None:
        super().__init__()
        self.name, self.frozen = name, frozen
        self.pooling, self.sharpness = pooling, sharpness
        source = parse_source(str(pretrained)) if isinstance(pretrained, str | Path) else Source()
        public = get_public_weights(source, name, options or {}, {"mean": mean, "std": std})
        options = {"in_chans": 1, "num_classes": 0, **(public.card.options if public else {}), **(options or {})}
        self.options = options
        if pretrained is True:
            self.net = create_pretrained(name, **options)
        else:
            self.net = timm.create_model(name, pretrained=False, **options)
        if self.reads_class_token:
            check_class_token(self.net, name)
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
        self.width: int = self.net.num_features * (2 if pooling == "cls+avg" else 1)
        self.grid = PatchGrid(self.net, name, options["in_chans"])
        statistics = self.net.pretrained_cfg
        channels = options["in_chans"]
        if public and channels == 3:
            mean = std = None  # of the card, whose channels have each their own: the config's are their means
        self.register_buffer("mean", make_statistic(mean, own.get("mean", statistics.get("mean", (0.449,))), channels))
        self.register_buffer("std", make_statistic(std, own.get("std", statistics.get("std", (0.226,))), channels))
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
        pooling: object = "avg",
        sharpness: object = SHARPNESS,
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
        return errors + find_pooling_errors(pooling, sharpness) + find_channel_errors(options or {})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the feature map (B, K, h, w) that pooling reads, of images (B, 1, H, W), uint8 or float in [0, 1].

        For DenseNet this is after the last ReLU, for EfficientNet after the 1x1 head convolution. Where pooling reads
        the class token, these are the tokens (B, N, K), that one first.

        Raises:
            UserError: a transformer that was made for another size.
        """
        size = ImageSize(*images.shape[-2:])
        self.grid.check(size, self.place)
        scale = 1 if images.is_floating_point() else 255
        images = images.to(self.mean.dtype) / scale
        features = self.net.forward_features((images - self.mean) / self.std)
        return check_tokens(self, features, size) if self.reads_class_token else self.to_map(features, size)

    def pool(self, features: torch.Tensor) -> torch.Tensor:
        """Return the vectors (B, width) of features from :meth:`forward`; vectors (B, width) stay as they are.

        Raises:
            UserError: the pooling needs a classifier, or these tokens have no class token.
        """
        if features.ndim == 2:
            return features
        if self.pooling == "pcam":
            raise no_vectors(self.name)
        if not self.reads_class_token:
            return pool_map(features, self.pooling, self.sharpness)
        token, before = features[:, 0], getattr(self.net, "num_prefix_tokens", 0) or 1  # VOLO does not say so
        return token if self.pooling == "cls" else torch.cat([token, features[:, before:].mean(1)], dim=1)

    @property
    def reads_class_token(self) -> bool:
        """Whether pooling reads the class token, by itself or beside the patches."""
        return self.pooling in CLASS_TOKEN

    def tap(self, images: torch.Tensor, stride: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what an explainer reads, as a leaf, and the features of :meth:`forward`, which are made from it.

        The leaf is the output of the last stage of this many pixels a cell, or the last feature map; ``to_map`` makes a
        map of it. Where pooling reads the class token, nothing that the last stage puts out reaches it, so there a map
        (B, K, h, w) is read as :func:`chexpert.models.tapping.tap_class_token` says.

        Gradients are kept from the leaf on, whatever the mode around.

        Raises:
            UserError: the network has no such stage.
        """
        if self._reads_attention(stride):
            return tap_class_token(self, images)
        stage = self._find_stage(stride)
        if stage is None:
            leaf = self(images).detach().requires_grad_()
            return leaf, leaf
        return tap_stage(self, images, stage)

    def pass_map(
        self, images: torch.Tensor, stride: int | None, layer: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Return the features of :meth:`forward`, of images whose map (B, K, h, w) passes a layer on its way.

        It is the map that :meth:`tap` reads, so that a package can hook the layer; gradients go all the way down.
        Where the class token and the patches' mean are pooled, it is the map that the class token reads.

        Raises:
            UserError: the network has no such stage.
        """
        if self._reads_attention(stride):
            return pass_attention(self, images, layer)
        stage = self._find_stage(stride)
        return layer(self(images)) if stage is None else pass_stage(self, images, stage, layer)

    def freeze(self, frozen: bool = True) -> None:
        """Keep weights and statistics as they are from now on, or let them be trained once ``train`` is called."""
        self.frozen = frozen
        self.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> "Backbone":
        """Set the mode; a frozen backbone stays in eval mode, or its batch statistics would drift."""
        return super().train(mode and not self.frozen)

    def find_depths(self) -> dict[str, int]:
        """Return how many layers below the classifier each parameter lies: :func:`chexpert.models.layers.find_depths`.

        Raises:
            UserError: timm knows no layers of this network.
        """
        return {f"net.{key}": depth for key, depth in find_depths(self.net, self.name).items()}

    @property
    def title(self) -> str:
        """The network, and how it sees an image."""
        return self.name

    def layer_at(self, stride: int | None = None) -> str:
        """Return the name of the layer whose feature map is taken, for the caption of a picture."""
        if self._reads_attention(stride):
            beside = " and forward_features" if self.pooling == "cls+avg" else ""
            return f"{self.name}.{find_last_attention(self)}{beside}"
        return f"{self.name}.{self._find_stage(stride) or 'forward_features'}"

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
        name = self._find_stage(stride)
        if name is None:
            watch.follow(self(images))
            return
        stage = self.net.get_submodule(name)
        hook = stage.register_forward_hook(lambda module, inputs, output: watch.follow(output))
        try:
            self(images)
        finally:
            hook.remove()

    def _find_stage(self, stride: int | None) -> str | None:
        """Name of the last stage of this many pixels a cell; None: the last map.

        That is read for the last block of a transformer too: the norm behind the block does not change with the size of
        its input, so that gradient times feature would be 0 in every cell before it.
        """
        if stride is None:
            return None
        stages = list_stages(self.net)
        if stride not in stages:
            hint = ", ".join(["null for the last map", *map(str, stages)])
            raise UserError(
                f"{self.name} has no stage of stride {stride}",
                code="feature-map",
                where="explainer.*.stride",
                hint=hint,
            )
        last = hasattr(self.net, "num_prefix_tokens") and stages[stride] == list(stages.values())[-1]
        return None if last else stages[stride]

    def _reads_attention(self, stride: int | None) -> bool:
        """Whether pooling reads a class token that the last stage of this stride does not reach any more."""
        return self.reads_class_token and self._find_stage(stride) is None

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
            before, grid = self.grid.find(features.shape[1], ImageSize(*size))
            return features[:, before:].transpose(1, 2).unflatten(2, grid)
        if getattr(self.net, "output_fmt", "NCHW") == "NHWC":  # as Swin gives them
            return features.permute(0, 3, 1, 2)
        return features

    @property
    def made_for(self) -> ImageSize:
        """Size of the images that timm's weights were trained on."""
        return ImageSize(*self.net.pretrained_cfg.get("input_size", (1, 224, 224))[1:])


def find_family(name: str) -> str:
    """Return the module of timm that a network is defined in.

    >>> find_family("resnet18")
    'resnet'
    """
    return timm.model_entrypoint(name).__module__.rpartition(".")[2]
