"""Views as batches, filled in one array each, and the order in which training sees them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from chexpert.data.augmentation import Augmentation
from chexpert.data.preprocessing import Preprocessing, read_gray
from chexpert.data.targets import Draws
from chexpert.problem import ProblemError


class Batch(NamedTuple):
    """What the loader hands over. Images travel as one uint8 channel; the device makes them float."""

    images: torch.Tensor
    """(B, 1, H, W) uint8."""
    targets: torch.Tensor
    """(B, C) float32 in [0, 1], in training (B, C + U); in validation {0, 1}, the labels as they are."""
    mask: torch.Tensor
    """Likewise, bool: False where there is nothing to learn from or to judge by."""
    paths: list[str]
    """B paths as the CSV has them."""
    skipped: list[str]
    """Paths that could not be read and were left out under ``on_missing=skip``."""


class ViewDataset(Dataset):
    """Views of one split. A key is (epoch, row), so that augmentation depends on seed, epoch and row alone.

    Args:
        paths: N paths as the CSV has them.
        files: N image files.
        targets: (N, C) float32, in training (N, C + U) (see :class:`chexpert.data.targets.Targets`).
        mask: likewise, bool.
        preprocessing: geometry of the input.
        augmentation: random geometry, or None.
        seed: of the augmentation.
        skip: leave unreadable images out of their batch and name them there, instead of raising.
        draws: targets that each epoch draws anew.
    """

    def __init__(
        self,
        paths: Sequence[str],
        files: Sequence[str | Path],
        targets: np.ndarray,
        mask: np.ndarray,
        preprocessing: Preprocessing,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        skip: bool = False,
        draws: Draws | None = None,
    ) -> None:
        self.paths, self.files = list(paths), [str(file) for file in files]
        self.targets, self.mask = torch.tensor(targets), torch.tensor(mask)
        self.preprocessing, self.augmentation = preprocessing, augmentation
        self.seed, self.skip, self.draws = seed, skip, draws

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Batch:
        """The views of these keys in one batch, as torch's fetcher asks for them."""
        size = self.preprocessing.size
        images = np.empty((len(keys), 1, size, size), dtype=np.uint8)
        rows: list[int] = []
        skipped: list[str] = []
        for epoch, row in keys:
            try:
                images[len(rows), 0] = self._image(epoch, row)
            except ProblemError:
                if not self.skip:
                    raise
                skipped.append(self.paths[row])
            else:
                rows.append(row)
        paths = [self.paths[row] for row in rows]
        targets = self.targets[rows]
        if self.draws is not None:
            self.draws.fill(targets.numpy(), rows, keys[0][0])  # a batch is of one epoch
        return Batch(torch.from_numpy(images[: len(rows)]), targets, self.mask[rows], paths, skipped)

    def _image(self, epoch: int, row: int) -> np.ndarray:
        matrix = None
        if self.augmentation is not None:
            rng = np.random.default_rng((self.seed, epoch, row))
            matrix = self.augmentation.matrix(self.preprocessing.size, rng)
        return self.preprocessing.apply(read_gray(self.files[row]), matrix)


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
