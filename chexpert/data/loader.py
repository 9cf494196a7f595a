"""The order in which training sees the views, and the loader that carries them from its workers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from chexpert.data.dataset import Batch, ViewDataset
from chexpert.problem import ProblemError


class ViewSampler(Sampler):
    """Keys (epoch, row) in an order that is a function of seed and epoch, or in file order."""

    def __init__(self, length: int, *, shuffle: bool, seed: int = 0) -> None:
        self.length, self.shuffle, self.seed, self.epoch = length, shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rows = range(self.length)
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length) if self.shuffle else rows
        return ((self.epoch, int(row)) for row in order)


class ViewLoader(DataLoader):
    """Batches of a ViewDataset. What a worker found wrong is raised here, as it was said there.

    A worker's exception would otherwise come with the worker's traceback in its text.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, ProblemError):
                raise batch
            yield batch


def make_loader(views: ViewDataset, *, batch_size: int, workers: int, shuffle: bool, seed: int) -> ViewLoader:
    """Loads views in ``workers`` processes, or in this one if 0."""
    return ViewLoader(
        views,
        batch_size=batch_size,
        sampler=ViewSampler(len(views), shuffle=shuffle, seed=seed),
        num_workers=workers,
        collate_fn=_as_is,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )


def _as_is(batch: Any) -> Any:
    """ViewDataset hands out whole batches already."""
    return batch
