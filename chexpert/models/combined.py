"""Several backbones with their heads cut off, feeding one shared classifier."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.models.backbone import Backbone
from chexpert.models.model import Model, find_dropout_errors, find_name_errors
from chexpert.models.output_head import OutputHead
from chexpert.models.pooling import attend, classify_vectors


class Combined(Model):
    """Concatenated pooled features of the members, one linear classifier.

    In the original, VGG's flattened maps made 50,176 of the 56,064 features, so that the rest hardly counted. Here
    every map is pooled, its vector brought to zero mean and unit variance (as ConvNeXt's head does) and weighted
    by 1 / sqrt(K): each member speaks with the same energy, whatever its width K.

    Args:
        members: branch names and backbones, two or more. The names stand in logs, attributions and checkpoints.
        outputs: number C of observations.
        dropout: probability of dropping a pooled feature in training.
        uncertain: indices of the U observations for which "uncertain" is a class of its own in training.
        parents: index of each observation's parent, -1 for a root, where probabilities are conditional on it.
    """

    def __init__(
        self,
        members: Mapping[str, Backbone],
        outputs: int,
        dropout: float = 0.0,
        uncertain: Sequence[int] = (),
        parents: Sequence[int] | None = None,
    ) -> None:
        super().__init__(members, OutputHead(outputs, uncertain, parents))
        self.norms = nn.ModuleDict(
            {name: nn.LayerNorm(member.width, elementwise_affine=False) for name, member in members.items()}
        )
        widths = [member.width for member in members.values()]
        # Mean width in the numerator: logits start at the scale of a single model's.
        self.gains = {name: (sum(widths) / len(widths) / member.width) ** 0.5 for name, member in members.items()}
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(sum(widths), self.output_head.width)

    @staticmethod
    def validate_args(members: Collection[str], dropout: object = 0.0, **_: object) -> list[UserError]:
        """Return the errors in these arguments, before anything is built."""
        errors = find_dropout_errors(dropout)
        if len(members) < 2:
            message = f"a combined model of {len(members)} member ({', '.join(members) or 'none'})"
            hint = "add one: +backbone@model.members.resnet=resnet18, or take model=single"
            errors.append(UserError(message, code="too-few", where="model.members", hint=hint))
        errors += find_name_errors(members)
        return errors

    def score(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return self._read({name: norm(self._pool(name, maps[name])) for name, norm in self.norms.items()})

    def weigh(self, maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return :meth:`score`, to the last bit, while what normalizes and weighs counts as a constant.

        That is each norm's standard deviation, and the weights that PCAM gives to cells. A norm's output does not
        change with the size of its input. So by the true gradient every member's map of the last layer would add up to
        0, whatever the logit, and evidence would always stand beside its contrary.
        """
        pooled = {name: self._pool(name, maps[name], hold=True) for name in self.norms}
        return self._read({name: hold_scale(norm, pooled[name]) for name, norm in self.norms.items()})

    def member_logits(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return of each member the logits (B, C) that the model had if all M members contributed as this one does.

        The raw logit is the sum of the members' contributions and the bias; here the member's own counts M times. So
        the mean of the members' raw logits is that of the model, and their spread is how far members disagree.

        Args:
            images: (B, 1, H, W), uint8 or float in [0, 1], or the output of :meth:`pool`.
        """
        maps = self.feature_maps(images)
        normed = {name: norm(self._pool(name, maps[name])) for name, norm in self.norms.items()}
        silent = {name: torch.zeros_like(vector) for name, vector in normed.items()}
        bias = self.classifier.bias
        shares = {name: self._read(silent | {name: vector}) - bias for name, vector in normed.items()}
        return {name: self.output_head(len(shares) * share + bias) for name, share in shares.items()}

    def _pool(self, name: str, features: torch.Tensor, *, hold: bool = False) -> torch.Tensor:
        """Vectors (B, K) of a member; (B, C, K) by PCAM, for which its part of the classifier reads normed cells."""
        member = self.members[name]
        if member.pooling != "pcam":
            return member.pool(features)
        before = list(self.norms)[: list(self.norms).index(name)]
        start = sum(self.members[other].width for other in before)
        weight = self.classifier.weight[:, start : start + member.width] * self.gains[name]
        return attend(features, weight, self.classifier.bias, self.norms[name], hold=hold)

    def _read(self, normed: Mapping[str, torch.Tensor]) -> torch.Tensor:
        vectors = [normed[name] * self.gains[name] for name in self.norms]
        if any(own.ndim == 3 for own in vectors):  # one for each output: those that all share are repeated
            outputs = self.output_head.width
            vectors = [own if own.ndim == 3 else own[:, None].expand(-1, outputs, -1) for own in vectors]
        return classify_vectors(self.classifier, self.dropout(torch.cat(vectors, dim=-1)))


def hold_scale(norm: Any, pooled: torch.Tensor) -> torch.Tensor:
    """Apply a LayerNorm to (..., K) with the gradient of centering and dividing by a constant."""
    centered = pooled - pooled.mean(-1, keepdim=True)
    scaled = centered / (centered.detach().square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return norm(pooled).detach() + (scaled - scaled.detach())
