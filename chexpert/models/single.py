"""One backbone and its head."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.models.backbone import Backbone
from chexpert.models.model import Model, find_dropout_errors
from chexpert.models.output_head import OutputHead


class Single(Model):
    """Backbone, average pooling, dropout, linear head.

    Args:
        backbone: the headless network; as a member it is called "backbone".
        outputs: number C of observations.
        dropout: probability of dropping a pooled feature in training.
        uncertain: indices of the U observations for which "uncertain" is a class of its own in training.
        parents: index of each observation's parent, -1 for a root, where probabilities are conditional on it.
    """

    def __init__(
        self,
        backbone: Backbone,
        outputs: int,
        dropout: float = 0.0,
        uncertain: Sequence[int] = (),
        parents: Sequence[int] | None = None,
    ) -> None:
        super().__init__({"backbone": backbone}, OutputHead(outputs, uncertain, parents))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.width, self.output_head.width)

    @staticmethod
    def validate_args(dropout: object = 0.0, **_: object) -> list[UserError]:
        """Return the errors in these arguments, before anything is built."""
        return find_dropout_errors(dropout)

    def score(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return self.head(self.dropout(maps["backbone"].mean((2, 3))))
