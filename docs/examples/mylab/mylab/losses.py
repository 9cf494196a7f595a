"""A loss: logits (B, C), targets (B, C) in [0, 1] and mask (B, C) in, a scalar out."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from chexpert.training import EntryLoss


class CappedBCE(EntryLoss):
    """Binary cross entropy of at most ``cap`` nats an entry: a wrong label cannot cost more.

    ``EntryLoss`` averages the entries that are not masked.

    Args:
        cap: nats; the gradient of an entry above it is 0.
    """

    def __init__(self, cap: float = 3.0) -> None:
        super().__init__()
        self.cap = cap

    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of each entry (B, C)."""
        return binary_cross_entropy_with_logits(logits, targets, reduction="none").clamp(max=self.cap)
