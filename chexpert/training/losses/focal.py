"""Losses that turn away from what is already right: focal and asymmetric."""

from typing import Any

import torch
from torch.nn.functional import logsigmoid
from torchvision.ops import sigmoid_focal_loss

from chexpert.errors import UserError
from chexpert.training.losses.masked_bce import EntryLoss


class FocalLoss(EntryLoss):
    """Focal loss (Lin et al. 2017, arxiv.org/abs/1708.02002): the cross entropy times (1 - p_t) ** gamma.

    A mean over unmasked entries. A soft target y is a mixture: y times the loss of a positive, 1 - y that of a
    negative, as it is in the cross entropy.

    Args:
        gamma: 0 is the cross entropy (weighted by alpha); more of it turns further away from what is right.
        alpha: weight of positives in [0, 1], 1 - alpha that of negatives; null: both 1.
    """

    needs_hard_labels = True

    def __init__(self, gamma: float = 2.0, alpha: float | None = 0.25) -> None:
        super().__init__()
        self.gamma, self.alpha = gamma, -1 if alpha is None else alpha

    @staticmethod
    def validate_args(gamma: Any = 2.0, alpha: Any = 0.25, **_: object) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        errors = _check_gammas({"gamma": gamma})
        if alpha is not None and not (_is_number(alpha) and 0 <= alpha <= 1):
            errors.append(_describe(alpha, "loss.alpha", "a number from 0 to 1, or null"))
        return errors

    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        yes, no = (
            sigmoid_focal_loss(logits, torch.full_like(logits, label), self.alpha, self.gamma) for label in (1, 0)
        )
        return targets * yes + (1 - targets) * no


class AsymmetricLoss(EntryLoss):
    """Asymmetric loss (Ridnik et al. 2021, arxiv.org/abs/2009.14119): easy negatives count less, or not.

    -(1 - p) ** gamma_pos log p of a positive, -q ** gamma_neg log(1 - q) of a negative, with q = max(p - clip, 0).
    A mean over unmasked entries, where the paper's code adds them up. A soft target y is a mixture: y times the loss of
    a positive, 1 - y that of a negative. Equal to timm's AsymmetricLossMultiLabel on targets 0 and 1.

    Args:
        gamma_neg: focusing of negatives.
        gamma_pos: focusing of positives.
        clip: probability up to which a negative costs nothing.
    """

    needs_hard_labels = True

    def __init__(self, gamma_neg: float = 4.0, gamma_pos: float = 1.0, clip: float = 0.05) -> None:
        super().__init__()
        self.gamma_neg, self.gamma_pos, self.clip = gamma_neg, gamma_pos, clip

    @staticmethod
    def validate_args(gamma_neg: Any = 4.0, gamma_pos: Any = 1.0, clip: Any = 0.05, **_: object) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        errors = _check_gammas({"gamma_neg": gamma_neg, "gamma_pos": gamma_pos})
        if not (_is_number(clip) and 0 <= clip < 1):
            errors.append(_describe(clip, "loss.clip", "a probability from 0 to below 1"))
        return errors

    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        yes = -((-logits).sigmoid() ** self.gamma_pos) * logsigmoid(logits)
        shifted = (logits.sigmoid() - self.clip).clamp(min=0)
        # 1 - p by its own sigmoid: subtracting p from 1 would lose it where p is near 1
        no = -(shifted**self.gamma_neg) * ((-logits).sigmoid() + self.clip).clamp(1e-8, 1).log()
        return targets * yes + (1 - targets) * no


def _check_gammas(gammas: dict[str, Any]) -> list[UserError]:
    return [
        _describe(value, f"loss.{name}", "a number, 0 or more")
        for name, value in gammas.items()
        if not (_is_number(value) and 0 <= value < float("inf"))
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _describe(value: Any, where: str, hint: str) -> UserError:
    return UserError(f"{value!r} is not possible", code="value", where=where, hint=hint)
