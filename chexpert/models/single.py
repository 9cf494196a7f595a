"""One backbone and its head."""

import torch
from torch import nn

from chexpert.models.backbone import Backbone


class Single(nn.Module):
    """Backbone, average pooling, dropout, linear head.

    Args:
        backbone: the headless network.
        outputs: number C of observations.
        dropout: probability of dropping a pooled feature in training.
    """

    def __init__(self, backbone: Backbone, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.width, outputs)

    @property
    def members(self) -> dict[str, Backbone]:
        """The backbones by branch name, as a combined model has them."""
        return {"backbone": self.backbone}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 1, H, W), uint8 or float in [0, 1], to logits (B, C)."""
        return self.classify(self.feature_maps(images))

    def feature_maps(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """The last feature map (B, K, h, w) of each branch."""
        return {"backbone": self.backbone(images)}

    def classify(self, maps: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, C) from feature maps: forward = classify of feature_maps."""
        return self.head(self.dropout(maps["backbone"].mean((2, 3))))
