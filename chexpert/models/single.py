"""One backbone and its head."""

from collections.abc import Mapping

import torch
from torch import nn

from chexpert.models.backbone import Backbone
from chexpert.models.model import Model


class Single(Model):
    """Backbone, average pooling, dropout, linear head.

    Args:
        backbone: the headless network; as a member it is called "backbone".
        outputs: number C of observations.
        dropout: probability of dropping a pooled feature in training.
    """

    def __init__(self, backbone: Backbone, outputs: int, dropout: float = 0.0) -> None:
        super().__init__({"backbone": backbone})
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.width, outputs)

    def classify(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return self.head(self.dropout(maps["backbone"].mean((2, 3))))
