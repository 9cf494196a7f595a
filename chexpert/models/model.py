"""What every model of the project is: feature maps of its members, then a classifier."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from timm.layers import convert_sync_batchnorm
from torch import nn

from chexpert.errors import UserError
from chexpert.image_size import ImageSize
from chexpert.models.backbone import Backbone
from chexpert.models.output_head import OutputHead
from chexpert.models.positions import POSITIONS, find_made_for, fit_bias_tables, fit_positions
from chexpert.weights import SENTENCES


class Model(nn.Module, ABC):
    """Maps images to logits in two steps, so that an explainer can stop in between without hooks.

    Args:
        members: the backbones by branch name.
        output_head: from the classifier's raw logits to those of the C observations.
    """

    contamination: str = SENTENCES["unknown"]
    """Whether the members saw images of CheXpert before the run, in a sentence."""

    def __init__(self, members: Mapping[str, Backbone], output_head: OutputHead) -> None:
        super().__init__()
        self._members = nn.ModuleDict(members)
        for name, member in members.items():
            member.place = "backbone" if name == "backbone" else f"model.members.{name}"
        self.output_head = output_head

    @property
    def members(self) -> dict[str, Backbone]:
        """The backbones by branch name."""
        return dict(self._members.items())  # type: ignore[arg-type]

    def fit_weights(self, state: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Return the weights of a model of this kind, made for images of another size, for those of this one.

        Position embeddings are resampled, see :mod:`chexpert.models.positions`.

        Args:
            state: weights by name.
            config: of the run that they are from.
        """
        fitted = dict(state)
        for name, member in self.members.items():
            fitted = fit_bias_tables(member.net, fitted, f"_members.{name}.net.", find_made_for(config, name))
            key = f"_members.{name}.net.{POSITIONS}"
            if key in fitted:
                fitted[key] = fit_positions(member.net, fitted[key], find_made_for(config, name))
        return fitted

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute logits (B, C) of images (B, 1, H, W), uint8 or float in [0, 1], or of the output of :meth:`pool`."""
        return self.classify(self.feature_maps(images))

    def feature_maps(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the last feature map (B, K, h, w) of each member, or what else its pooling reads.

        Of pooled features (B, D), return each member's part (B, K), which its pooling leaves as it is.
        """
        if images.ndim == 2:
            parts = images.split([member.width for member in self.members.values()], dim=1)
            return dict(zip(self.members, parts, strict=True))
        return {name: member(images) for name, member in self.members.items()}

    def pool(self, images: torch.Tensor) -> torch.Tensor:
        """Return the pooled features (B, D) of all members side by side, of images (B, 1, H, W).

        They give the same logits as the images.

        Raises:
            UserError: a member is pooled for each output anew.
        """
        return torch.cat([self.pool_member(name, images) for name in self.members], dim=1)

    def pool_member(self, name: str, images: torch.Tensor) -> torch.Tensor:
        """Return the pooled features (B, K) of one member, of images (B, 1, H, W)."""
        member = self.members[name]
        return member.pool(member(images))

    def trace(self, images: torch.Tensor, stride: int | None = None) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Return feature maps by member, and the logits (B, C) computed from them, for gradients of the logits.

        The network below the maps keeps no graph, and above them gradients are those of :meth:`weigh`. To be called
        where gradients are allowed.

        Args:
            images: (B, 1, H, W), uint8 or float in [0, 1].
            stride: take the last map of this many pixels a cell, and not the last map of all; see
                :meth:`Backbone.tap`.
        """
        with torch.no_grad():
            if stride is None and not any(member.reads_class_token for member in self.members.values()):
                traced = last = {name: m.detach().requires_grad_() for name, m in self.feature_maps(images).items()}
            else:
                taps = {name: member.tap(images, stride) for name, member in self.members.items()}
                traced = {name: tapped for name, (tapped, _) in taps.items()}
                last = {name: final for name, (_, final) in taps.items()}
        return traced, self.output_head(self.weigh(last))

    def classify(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute logits (B, C) from feature maps."""
        return self.output_head(self.score(maps))

    def training_logits(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the logits (B, C + U) of images that the loss compares with targets: see :meth:`OutputHead.ask`."""
        return self.output_head.ask(self.score(self.feature_maps(images)))

    @abstractmethod
    def score(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute raw logits (B, C + U) from feature maps: ``output_head.width`` of them."""

    def weigh(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return :meth:`score`, linear in the maps: gradient times map adds up to the logit less the bias.

        Of log-sum-exp and the class token it is not linear, and the gradient is the true one.
        """
        return self.score(maps)


def synchronize_batch_norm(model: Model) -> Model:
    """Convert batch normalization to statistics over all devices in training; weights and their names stay.

    Lightning's own conversion drops the activations that timm keeps inside its normalization layers.

    Args:
        model: model whose layers are replaced in place.

    Returns:
        The same model.
    """
    return convert_sync_batchnorm(model)


LONE = "more than 1 value per channel"
"""In what torch raises where batch normalization is to learn from a single value."""


def learns_from_one(model: Model, size: ImageSize) -> bool:
    """Return whether a step of training can be made on a single image; batch normalization may need more.

    The step is tried on a copy: the model does not change.

    Args:
        model: model to try.
        size: of the image.

    Returns:
        False if a layer of batch normalization gets a single value per channel.

    Raises:
        ValueError: torch rejects the step for another reason.
        UserError: the model takes no image of this size.
    """
    trial = copy.deepcopy(model).train()
    image = torch.zeros(1, 1, *size, dtype=torch.uint8)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            trial.training_logits(image)
    except ValueError as error:
        if LONE not in str(error):
            raise
        return False
    return True


def find_dropout_errors(dropout: object) -> list[UserError]:
    """Return the errors in a probability of dropping a feature; at 1 nothing would be left to learn from."""
    if isinstance(dropout, int | float) and not isinstance(dropout, bool) and 0 <= dropout < 1:
        return []
    hint = "a probability from 0 to below 1, such as 0.3"
    return [UserError(f"a dropout of {dropout!r} is not possible", code="value", where="model.dropout", hint=hint)]


def find_name_errors(members: Iterable[str]) -> list[UserError]:
    """Return the errors in the branch names of members: a dot would end one in the names of weights."""
    return [
        UserError(f"a member's name has a dot: {name}", code="value", where="model.members", hint="use letters and _")
        for name in members
        if "." in name
    ]
