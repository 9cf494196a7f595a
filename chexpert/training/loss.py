"""Losses on logits, with soft targets and a mask."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


class MaskedBCE(nn.Module):
    """Binary cross entropy, averaged over the entries that the mask leaves in; masked ones get no gradient.

    A batch that is masked throughout gives 0, since it has nothing to teach.
    """

    def forward(self, logits: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits, targets in [0, 1] and mask, each (B, C), to a scalar in nats an entry."""
        loss = binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
        return torch.where(mask, loss, 0).sum() / mask.sum().clamp(min=1)
