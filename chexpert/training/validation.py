"""What a validation sees, over its batches and over several processes, and the AUROC of all of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_auroc
from torchmetrics.utilities import dim_zero_cat

from chexpert.data import Batch
from chexpert.metrics import (
    Auroc,
    Interval,
    auroc_mean,
    find_study,
    mean_auroc_interval,
    number_studies,
    number_units,
    reduce_to_studies,
)  # fmt: skip
from chexpert.runs import files as run_files

SCORES = ("probabilities", "labels", "mask")


class Validation(nn.Module):
    """The views of the last validation with their probabilities and AUROCs.

    A module without weights, so that what it gathers lies on the model's device.

    Args:
        observations: names of the C outputs.
        mean_over: observations over which the mean AUROC goes.
        level: ``image`` evaluates single views, ``study`` their studies.
        study_score: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
    """

    def __init__(
        self, observations: Sequence[str], mean_over: Sequence[str], level: str = "image", study_score: str = "max"
    ) -> None:
        super().__init__()
        self.observations, self.mean_over = list(observations), list(mean_over)
        self.level, self.study_score = level, study_score
        self.scores = MultilabelAuroc(observations)
        """Probabilities, labels and mask of single views."""
        self.paths: list[str] = []
        """Their paths, in the order of ``scores.rows()``."""
        self.rows: list[int] = []
        """Their rows in the file."""
        self.losses: list[torch.Tensor] = []
        """(1, 2) of each batch: its mean loss, and over how many labels."""
        self.auroc: dict[str, Auroc] = {}
        """By observation, once :meth:`evaluate_run` has computed it."""
        empty = np.zeros((0, len(self.observations)))
        self.labeled = empty, empty, empty.astype(bool)
        """Probabilities, labels and mask that ``auroc`` is of, one row a view or a study."""

    def begin(self) -> None:
        """Reset the views and the losses of the last validation."""
        self.scores.reset()
        self.paths, self.rows, self.losses = [], [], []

    def see(self, batch: Batch, logits: torch.Tensor, loss: torch.Tensor) -> None:
        """Add the logits (B, C) of a batch and its mean loss; nothing is copied from a device."""
        self.losses.append(torch.stack([loss.float(), batch.mask.sum().float()])[None])
        self.scores.update(logits, batch.targets, batch.mask)
        self.paths += batch.paths
        self.rows += batch.rows

    def state(self) -> dict[str, Any]:
        """Return the views, what was computed of them, and the losses, as a file can hold them; all on the CPU."""
        scores = dict(zip(SCORES, (part.cpu() for part in self.scores.rows()), strict=True))
        return {"rows": list(self.rows), "paths": list(self.paths), "losses": self._join_losses()} | scores

    def restore(self, state: Mapping[str, Any]) -> None:
        """See again what a validation saw, from its :meth:`state`."""
        self.begin()
        self.rows, self.paths, self.losses = list(state["rows"]), list(state["paths"]), [state["losses"]]
        self.scores.take(*(state[name] for name in SCORES))

    def gather(self, processes: int, skipped: set[str], flagged: Mapping[str, str]) -> tuple[set[str], dict[str, str]]:
        """Gather the views, skipped images and flags of all processes, in the order of the file."""
        own = (
            self._join_losses(),
            self.rows,
            self.paths,
            skipped,
            dict(flagged),
            *(part.cpu() for part in self.scores.rows()),
        )
        shares: list[Any] = [None] * processes
        torch.distributed.all_gather_object(shares, own)
        losses, rows, paths, lost, noted, *scores = zip(*shares, strict=True)
        self.losses = list(losses)
        views = list(zip(chain(*rows), chain(*paths), strict=True))
        order = sorted(range(len(views)), key=lambda view: views[view][0])
        self.rows, self.paths = [views[view][0] for view in order], [views[view][1] for view in order]
        self.scores.reset()
        self.scores.take(*(torch.cat(part)[order] for part in scores))
        return set().union(*lost), {path: why for share in noted for path, why in share.items()}

    def evaluate_run(self) -> float:
        """Compute the AUROC, and return the mean loss over all labels."""
        probabilities, labels, mask = (part.cpu().numpy() for part in self.scores.rows())
        rows = run_files.as_written(probabilities), labels, mask  # the values of the written file, to the last digit
        if self.level == "study":
            rows = reduce_to_studies([find_study(path) for path in self.paths], *rows, score=self.study_score)
        self.labeled = rows
        self.auroc = compute_auroc(self.observations, *rows)
        losses = self._join_losses()
        return float((losses[:, 0] * losses[:, 1]).sum() / losses[:, 1].sum().clamp(min=1))

    def find_mean(self) -> tuple[float, list[str]]:
        """Return the mean AUROC and the observations that it is over; an undefined one is left out."""
        return auroc_mean(self.auroc, self.mean_over)

    def find_interval(self) -> tuple[Interval, list[str]]:
        """Return the mean AUROC with a 95 % interval over studies, and the observations that it is over."""
        _, over = self.find_mean()
        columns = [self.observations.index(name) for name in over]
        scores, labels, mask = (rows[:, columns] for rows in self.labeled)
        names = self.paths
        if self.level == "study":
            names = number_studies([find_study(path) for path in names])[1]
        units, _ = number_units(names, self.level)
        return mean_auroc_interval(scores, labels, mask, units, replicates=200), over  # each epoch: seconds count

    def _join_losses(self) -> torch.Tensor:
        """On the CPU first: not every device has float64."""
        return torch.cat(self.losses).cpu().double() if self.losses else torch.zeros(1, 2, dtype=torch.float64)


def compute_auroc(
    observations: Sequence[str], scores: np.ndarray, labels: np.ndarray, mask: np.ndarray
) -> dict[str, Auroc]:
    """Return the AUROC of each observation over its own labeled rows, by torchmetrics without thresholds: exact.

    Where a class is absent the AUROC is NaN with its counts; torchmetrics would give 0.

    Args:
        observations: names of the C columns.
        scores: (N, C) in [0, 1].
        labels: (N, C) in {0, 1}.
        mask: (N, C) bool, False where there is no label.
    """
    found = {}
    for name, own, truth, known in zip(observations, scores.T, labels.T, mask.T, strict=True):
        positive = torch.from_numpy(truth[known] == 1)
        positives, negatives = int(positive.sum()), int((~positive).sum())
        with float64_by_default():
            both = positives and negatives
            value = float(binary_auroc(torch.from_numpy(own[known]).double(), positive.long())) if both else math.nan
        found[name] = Auroc(value, positives, negatives)
    return found


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Let torch divide counts in float64, as the other metrics are computed: in float32 the seventh digit is off."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class MultilabelAuroc(Metric):
    """Probabilities, labels and masks of all batches, and their AUROC; see :func:`compute_auroc`.

    torchmetrics' own MultilabelAUROC takes logits for probabilities, or not, batch by batch, and has no mask.
    """

    full_state_update = False
    probabilities: list[torch.Tensor]
    labels: list[torch.Tensor]
    mask: list[torch.Tensor]

    def __init__(self, observations: Sequence[str]) -> None:
        super().__init__()
        self.observations = list(observations)
        for name in SCORES:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, logits: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> None:
        """Add logits (B, C) of any precision; their probabilities are stored in float32."""
        self.take(logits.float().sigmoid(), labels, mask)

    def take(self, probabilities: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> None:
        """Add probabilities (B, C) as they are."""
        self.probabilities.append(probabilities)
        self.labels.append(labels.float())  # bf16-true rounds the batch, and NumPy has no bfloat16
        self.mask.append(mask)

    def compute(self) -> dict[str, Auroc]:
        """Return the AUROC by observation name."""
        return compute_auroc(self.observations, *(part.cpu().numpy() for part in self.rows()))

    def rows(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return all probabilities, labels and masks so far, (N, C) each."""
        if not len(self.probabilities):
            empty = torch.zeros(0, len(self.observations))
            return empty, empty, empty.bool()
        return dim_zero_cat(self.probabilities), dim_zero_cat(self.labels), dim_zero_cat(self.mask)
