"""What a validation gathers over batches (and processes), for the AUROC of all of them at once."""

from collections.abc import Sequence

import torch
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from chexpert.metrics import Auroc, multilabel_auroc


class MultilabelAuroc(Metric):
    """The thin shell of :func:`chexpert.metrics.multilabel_auroc` for Lightning.

    torchmetrics' own gives 0 for a class without positives, an IndexError for a column without labels, and takes logits
    for probabilities, or not, batch by batch.
    """

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
        self.take(logits.float().sigmoid(), labels, mask)

    def take(self, probabilities: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> None:
        """Takes probabilities (B, C) as they are."""
        self.probabilities.append(probabilities)
        self.labels.append(labels)
        self.mask.append(mask)

    def compute(self) -> dict[str, Auroc]:
        """AUROC by observation name."""
        rows = (part.cpu().numpy() for part in self.rows())
        return dict(zip(self.observations, multilabel_auroc(*rows), strict=True))

    def rows(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All probabilities, labels and masks so far, (N, C) each."""
        if not len(self.probabilities):
            empty = torch.zeros(0, len(self.observations))
            return empty, empty, empty.bool()
        return dim_zero_cat(self.probabilities), dim_zero_cat(self.labels), dim_zero_cat(self.mask)
