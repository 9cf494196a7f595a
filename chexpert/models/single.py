"""One backbone and its head."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.models.backbone import Backbone
from chexpert.models.model import Model, find_dropout_errors
from chexpert.models.output_head import OutputHead
from chexpert.models.pooling import attend, classify_vectors


class Single(Model):
    """Backbone, pooling, dropout, linear head.

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
        return self._read(maps["backbone"])

    def weigh(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return :meth:`score`, to the last bit, while the weights that PCAM gives to cells count as constants."""
        return self._read(maps["backbone"], hold=True)

    def _read(self, features: torch.Tensor, *, hold: bool = False) -> torch.Tensor:
        backbone = self.members["backbone"]
        if backbone.pooling == "pcam":
            vectors = attend(features, self.head.weight, self.head.bias, hold=hold)
        else:
            vectors = backbone.pool(features)
        return classify_vectors(self.head, self.dropout(vectors))
