"""AUROC per observation and its mean, where undefined is NaN with its counts and never 0."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_auroc
from torchmetrics.utilities import dim_zero_cat


class Auroc(NamedTuple):
    """Area under the ROC curve of one observation; NaN where a class is absent."""

    value: float
    positives: int
    negatives: int


def multilabel_auroc(probabilities: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> list[Auroc]:
    """AUROC per observation, exact: all thresholds, ties at half weight.

    torchmetrics gives 0 for a class without positives and an IndexError for a column without labels, so the
    columns are judged one at a time, each over its own labelled rows.

    Args:
        probabilities: (N, C) float in [0, 1]. Not logits: torchmetrics guesses from the range, batch by batch.
        labels: (N, C) in {0, 1}.
        mask: (N, C) bool, False where there is no label.

    >>> p = torch.tensor([[.1], [.4], [.35], [.8]])
    >>> multilabel_auroc(p, torch.tensor([[0], [0], [1], [1]]), torch.ones(4, 1, dtype=torch.bool))
    [Auroc(value=0.75, positives=2, negatives=2)]
    """
    return [_auroc(probabilities[m, c], labels[m, c].long()) for c, m in enumerate(mask.T)]


def _auroc(probabilities: torch.Tensor, labels: torch.Tensor) -> Auroc:
    positives = int(labels.sum())
    negatives = len(labels) - positives
    value = float(binary_auroc(probabilities, labels)) if positives and negatives else math.nan
    return Auroc(value, positives, negatives)


def auroc_mean(aurocs: Mapping[str, Auroc], over: Sequence[str]) -> tuple[float, list[str]]:
    """The mean over the listed observations that are defined, and which these are; NaN if none is.

    >>> auroc_mean({"Edema": Auroc(.9, 3, 4), "Fracture": Auroc(math.nan, 0, 7)}, ["Edema", "Fracture"])
    (0.9, ['Edema'])
    """
    used = [name for name in over if not math.isnan(aurocs[name].value)]
    return (sum(aurocs[name].value for name in used) / len(used) if used else math.nan), used


class MultilabelAuroc(Metric):
    """Gathers probabilities, labels and mask over batches (and processes) for :func:`multilabel_auroc`."""

    full_state_update = False
    probabilities: list[torch.Tensor]
    labels: list[torch.Tensor]
    mask: list[torch.Tensor]

    def __init__(self, observations: Sequence[str]) -> None:
        super().__init__()
        self.observations = list(observations)
        for name in ("probabilities", "labels", "mask"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, logits: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> None:
        """Takes logits (B, C) of any precision; probabilities are kept in float32."""
        self.probabilities.append(logits.float().sigmoid())
        self.labels.append(labels)
        self.mask.append(mask)

    def compute(self) -> dict[str, Auroc]:
        """AUROC by observation name."""
        return dict(zip(self.observations, multilabel_auroc(*self.rows()), strict=True))

    def rows(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All probabilities, labels and masks so far, (N, C) each."""
        if not len(self.probabilities):
            empty = torch.zeros(0, len(self.observations))
            return empty, empty, empty.bool()
        return dim_zero_cat(self.probabilities), dim_zero_cat(self.labels), dim_zero_cat(self.mask)
