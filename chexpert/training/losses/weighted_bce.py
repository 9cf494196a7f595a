"""Binary cross entropy whose positives weigh more."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from chexpert.errors import UserError
from chexpert.training.losses.masked_bce import EntryLoss

WORDS = ("auto", "batch")

Weights = float | str | Mapping[str, float]


class WeightedBCE(EntryLoss):
    """Binary cross entropy with a weight on its positive term: -(w y log p + (1 - y) log(1 - p)), as torch's is.

    A mean over unmasked entries (the weights do not count in the divisor), but for ``batch``, whose weights are of
    the batch that they are of: of parts of a batch it is another loss.

    Args:
        pos_weight: one weight w; or a weight by observation, with ``default`` for the rest; or a word. ``auto``:
            negatives over positives of the training rows. ``batch``: negatives over positives of the batch, and
            no loss for an observation that has no positive there (jfhealthcare/Chexpert, bin/train.py, which adds
            its observations up where this averages them).
        observations: names of the C outputs.
        counts: positives and negatives (2, C + U) of the training rows, U of them of the questions "is it
            uncertain?", whose weight is 1 where weights are fixed. Where there are no positives, or no counts, ``auto``
            is 1.
    """

    weight: torch.Tensor

    def __init__(self, pos_weight: Weights, observations: Sequence[str], counts: torch.Tensor | None = None) -> None:
        super().__init__()
        self.by_batch = pos_weight == "batch"
        outputs = len(observations) if counts is None else counts.shape[1]
        weight = torch.ones(outputs, dtype=torch.float64)
        if pos_weight == "auto" and counts is not None:
            weight = torch.where(counts[0] > 0, counts[1] / counts[0], 1)
        elif not isinstance(pos_weight, str):
            weight[: len(observations)] = torch.tensor([_find(pos_weight, name) for name in observations])
        self.register_buffer("weight", weight.float(), persistent=False)

    @staticmethod
    def validate_args(pos_weight: Any, observations: Sequence[str] = (), **_: object) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        where = "loss.pos_weight"
        if isinstance(pos_weight, str):
            hint = f"{', '.join(WORDS)}, a number, or numbers by observation"
            return [] if pos_weight in WORDS else [_describe(f"unknown word {pos_weight!r}", where, hint)]
        weights = pos_weight if isinstance(pos_weight, Mapping) else {"default": pos_weight}
        errors = [
            _describe(
                f"{value!r} is not possible", f"{where}.{name}" if name != "default" else where, "a number above 0"
            )
            for name, value in weights.items()
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf")
        ]
        if unknown := [name for name in weights if name not in (*observations, "default")]:
            errors.append(_describe(f"not among the outputs: {', '.join(unknown)}", where, "name outputs, or default"))
        if "default" not in weights and (lacking := [name for name in observations if name not in weights]):
            errors.append(_describe(f"no weight for {', '.join(lacking)}", where, "name each, or add default: 1"))
        return errors

    def entries(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        weight = self.weight[: logits.shape[1]]  # a validation has no questions of uncertainty
        return binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=weight)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if not self.by_batch:
            return super().forward(logits, targets, mask)
        positives = torch.where(mask, targets, 0).sum(0)
        some = positives > 0
        weight = torch.where(some, (mask.sum(0) - positives) / torch.where(some, positives, 1), 0)
        kept = torch.where(mask, logits.float(), 0)
        loss = binary_cross_entropy_with_logits(kept, targets, reduction="none", pos_weight=weight)
        return torch.where(mask & some, loss, 0).sum() / mask.sum().clamp(min=1)


def _find(weights: float | Mapping[str, float], name: str) -> float:
    return weights if not isinstance(weights, Mapping) else weights.get(name, weights.get("default", 1.0))


def _describe(message: str, where: str, hint: str) -> UserError:
    return UserError(message, code="value", where=where, hint=hint)
