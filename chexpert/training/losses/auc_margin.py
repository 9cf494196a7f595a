"""The AUC-margin loss, a saddle point that stands for the squared hinge over all pairs."""

from typing import Any

import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.training.losses.masked_bce import EntryLoss


class AUCMarginLoss(EntryLoss):
    """AUC-margin loss of each observation (Yuan et al. 2021, arxiv.org/abs/2012.03173, equation 8), averaged.

    With the score h = sigmoid(logit), the share p of positives and the margin m, the loss of an entry is

        (1 - p) (h - a)^2 [y = 1] + p (h - b)^2 [y = 0] - p (1 - p) alpha^2
            + 2 alpha (p (1 - p) m + p h [y = 0] - (1 - p) h [y = 1]).

    The weights and a, b (which tend to the mean scores of positives and negatives) descend it, alpha >= 0 ascends it:
    see :class:`chexpert.training.PESG`. Alpha's gradient is 2 (m + b - a - alpha), as LibAUC has it: the one of the
    formula where a and b are the mean scores, less the factor p (1 - p) / C, by which the alpha of a rare finding
    would hardly move.

    A mean over unmasked entries, since p is of all training rows and not of the batch; with equally many of them for
    each observation it is the mean of LibAUC's losses. A soft target y counts y as a positive, 1 - y as a negative.

    Args:
        margin: m, between 0 and 1 for scores of a sigmoid.
        counts: positives and negatives (2, C + U) of the training rows; p is one half where there are none.
        observations: names of the C outputs.
    """

    needs_hard_labels = True
    p: torch.Tensor

    def __init__(self, observations: list[str], margin: float = 1.0, counts: torch.Tensor | None = None) -> None:
        super().__init__()
        self.margin = margin
        counts = torch.zeros(2, len(observations)) if counts is None else counts
        total = counts.sum(0)
        self.register_buffer("p", torch.where(total > 0, counts[0] / total.clamp(min=1), 0.5).float(), persistent=False)
        self.a, self.b, self.alpha = (nn.Parameter(torch.zeros(len(self.p))) for _ in range(3))

    @staticmethod
    def validate_args(margin: Any = 1.0, **_: object) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        if not isinstance(margin, int | float) or isinstance(margin, bool) or not 0 < margin <= 1:
            hint = "a number above 0, at most 1: scores are in [0, 1]"
            return [UserError(f"{margin!r} is not possible", code="value", where="loss.margin", hint=hint)]
        return []

    def dual_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that the optimizer has to ascend, projected to 0 or more."""
        return [self.alpha]

    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        n = logits.shape[1]  # a validation has no questions of uncertainty
        p, a, b, alpha = self.p[:n], self.a[:n], self.b[:n], self.alpha[:n]
        h, held = logits.sigmoid(), alpha.detach()
        loss = (1 - p) * (h - a) ** 2 * targets + p * (h - b) ** 2 * (1 - targets) - p * (1 - p) * held**2
        loss = loss + 2 * held * (p * (1 - p) * self.margin + p * h * (1 - targets) - (1 - p) * h * targets)
        ascent = 2 * n * (self.margin + b - a - alpha).detach()  # the mean over entries divides by n observations
        return loss + (alpha - held) * ascent  # adds 0, and alpha's gradient
