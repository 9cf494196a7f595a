"""Losses on logits, with soft targets and a mask."""

from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


class EntryLoss(nn.Module, ABC):
    """The mean of a loss of single entries over those that the mask leaves in; masked ones get exactly no gradient.

    A batch that is masked throughout gives 0, since it has nothing to teach. Because it is such a mean, parts of a
    batch may be averaged by their numbers of unmasked entries.
    """

    def forward(self, logits: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar in float32, of logits, targets in [0, 1] and mask, (B, C) each."""
        logits = torch.where(mask, logits.float(), 0)  # or an infinite loss of a masked entry would have NaN gradients
        return torch.where(mask, self.entries(logits, targets), 0).sum() / mask.sum().clamp(min=1)

    @abstractmethod
    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of each entry (B, C)."""


class MaskedBCE(EntryLoss):
    """Binary cross entropy in nats an entry, averaged over the entries that the mask leaves in."""

    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
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
