"""Losses on logits, with soft targets and a mask."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from chexpert.errors import UserError


class EntryLoss(nn.Module, ABC):
    """The mean of a loss of single entries over those that the mask leaves in; masked ones get exactly no gradient.

    A batch that is masked throughout gives 0, since it has nothing to teach. Because it is such a mean, parts of a
    batch may be averaged by their numbers of unmasked entries.
    """

    needs_hard_labels = False
    """Whether its minimum is elsewhere than at a soft target: a network cannot be taught by such a loss."""

    def forward(self, logits: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar in float32, of logits, targets in [0, 1] and mask, (B, C) each."""
        logits = torch.where(mask, logits.float(), 0)  # or an infinite loss of a masked entry would have NaN gradients
        return torch.where(mask, self.entries(logits, targets), 0).sum() / mask.sum().clamp(min=1)

    @abstractmethod
    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of each entry (B, C)."""


class MaskedBCE(EntryLoss):
    """Binary cross entropy in nats an entry, averaged over the entries that the mask leaves in.

    Args:
        label_smoothing: e in [0, 1): in training, a target t becomes (1 - e) t + e / 2. This is the smoothing of
            Szegedy et al. 2016, arxiv.org/abs/1512.00567, for two classes. Validation losses are of the targets as
            they are.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    @staticmethod
    def validate_args(label_smoothing: Any = 0.0, **_: object) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        known = isinstance(label_smoothing, int | float) and not isinstance(label_smoothing, bool)
        if known and 0 <= label_smoothing < 1:
            return []
        message, hint = f"{label_smoothing!r} is not possible", "a number from 0 to below 1, such as 0.05"
        return [UserError(message, code="value", where="loss.label_smoothing", hint=hint)]

    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.training and self.label_smoothing:
            targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        return binary_cross_entropy_with_logits(logits, targets, reduction="none")


def count_targets(targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the numbers of positive and negative labels of each observation.

    A soft target counts in parts on both sides: 0.25 is 0.25 of a positive and 0.75 of a negative.

    Args:
        targets: (N, C) in [0, 1].
        mask: (N, C) bool, False where there is no label.

    Returns:
        (2, C) float64: positives, then negatives, over the unmasked rows.

    >>> count_targets(torch.tensor([[1.0], [0.25], [1.0]]), torch.tensor([[True], [True], [False]])).tolist()
    [[1.25], [0.75]]
    """
    positives = torch.where(mask, targets, 0).sum(0, dtype=torch.float64)
    return torch.stack([positives, mask.sum(0) - positives])
