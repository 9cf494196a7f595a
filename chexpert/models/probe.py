"""A small head on frozen encoders, trained on their pooled features alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import softplus

from chexpert.errors import UserError
from chexpert.models.backbone import Backbone
from chexpert.models.model import Model, find_dropout_errors, find_name_errors
from chexpert.models.output_head import OutputHead

CONSTANT = 1e-5
"""A feature whose standard deviation is below this share of its mean is constant: the rest is float32's rounding."""


class Probe(Model):
    """Frozen encoders, their pooled features side by side, each feature standardized, and a linear head or a small MLP.

    The encoders are frozen by the model itself. Mean and standard deviation of each feature over the training images
    are buffers: they are part of every checkpoint. The last layer begins at zero weights, and its bias at the
    log odds of the training labels: of few images an arbitrary beginning would be seen in the predictions.

    Gradients of a linear head are exact everywhere: gradient times map adds up to the logit less its value at
    features of zero. Those of an MLP are the gradients at the features of the image.

    Args:
        backbone: the first encoder; as a member it is called "backbone".
        outputs: number C of observations.
        members: further encoders by branch name.
        hidden: width of a hidden layer, a list of the widths of several, or null for a linear head.
        dropout: probability of dropping a standardized feature, or a hidden one, in training.
        uncertain: indices of the U observations for which "uncertain" is a class of its own in training.
        parents: index of each observation's parent, -1 for a root, where probabilities are conditional on it.
    """

    mean: torch.Tensor
    """(D,) of each feature."""
    deviation: torch.Tensor
    """(D,) of each feature; 1 where it is constant."""

    def __init__(
        self,
        backbone: Backbone,
        outputs: int,
        members: Mapping[str, Backbone] | None = None,
        hidden: int | Sequence[int] | None = None,
        dropout: float = 0.0,
        uncertain: Sequence[int] = (),
        parents: Sequence[int] | None = None,
    ) -> None:
        super().__init__({"backbone": backbone, **(members or {})}, OutputHead(outputs, uncertain, parents))
        for member in self.members.values():
            member.freeze()
            member.train()  # which a frozen one does not follow
        width = sum(member.width for member in self.members.values())
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for size in _list_sizes(hidden):
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(width, self.output_head.width)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @staticmethod
    def validate_args(members: Any = None, hidden: Any = None, dropout: object = 0.0, **_: object) -> list[UserError]:
        """Return the errors in these arguments, before anything is built."""
        errors = [*find_dropout_errors(dropout), *find_name_errors(members or {})]
        if "backbone" in (members or {}):
            message, hint = "the first encoder is called backbone", "another name: model.members.NAME"
            errors.append(UserError(message, code="repeated", where="model.members.backbone", hint=hint))
        sizes = [] if hidden is None else _list_sizes(hidden)
        wrong = any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes)
        if wrong or (hidden is not None and not sizes):
            hint = "model.hidden=256, model.hidden=[256,128] for two layers, or model.hidden=null for a linear head"
            errors.append(UserError(f"{hidden!r} is not possible", code="value", where="model.hidden", hint=hint))
        return errors

    def score(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        pooled = torch.cat([self.members[name].pool(maps[name]) for name in self.members], dim=1)
        return self.head(self.hidden((pooled - self.mean) / self.deviation))

    def standardize(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Take mean and standard deviation (D,) of the features, over the images that the head learns from."""
        constant = deviation <= CONSTANT * mean.abs()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(constant, 1, deviation))

    @torch.no_grad()
    def begin_with_prevalence(self, counts: torch.Tensor) -> None:
        """Let the head put out the prevalence of each observation, whatever the features.

        Args:
            counts: (2, C + U) positive and negative labels, to each of which half a label is added.
        """
        odds = ((counts[0] + 0.5) / (counts[1] + 0.5)).log().float()
        known, unsure = odds[: self.output_head.outputs], odds[self.output_head.outputs :]
        # of "uncertain" the head's u is compared as u - log(1 + exp(z)): OutputHead.ask
        self.head.bias.copy_(torch.cat([known, unsure + softplus(known[self.output_head.uncertain])]))


def _list_sizes(hidden: Any) -> list[Any]:
    return [] if hidden is None else list(hidden) if isinstance(hidden, Sequence) else [hidden]
