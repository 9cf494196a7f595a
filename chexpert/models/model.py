"""What every model of the project is: feature maps of its members, then a classifier."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import nn

from chexpert.models.backbone import Backbone


class Model(nn.Module, ABC):
    """Maps films to logits in two steps, so that an explainer can stop in between without hooks.

    Args:
        members: the backbones by branch name.
    """

    def __init__(self, members: Mapping[str, Backbone]) -> None:
        super().__init__()
        self._members = nn.ModuleDict(members)

    @property
    def members(self) -> dict[str, Backbone]:
        """The backbones by branch name."""
        return dict(self._members.items())  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 1, H, W), uint8 or float in [0, 1], to logits (B, C)."""
        return self.classify(self.feature_maps(images))

    def feature_maps(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """The last feature map (B, K, h, w) of each member."""
        return {name: member(images) for name, member in self.members.items()}

    @abstractmethod
    def classify(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, C) from feature maps."""
