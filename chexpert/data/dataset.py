"""Views as batches, filled in one array each."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from chexpert.data.augmentation import Augmentation
from chexpert.data.cache import CachePart, DecodedCache
from chexpert.data.labels import RandomTargets
from chexpert.data.preprocessing import Preprocessing
from chexpert.data.random_streams import open_stream
from chexpert.data.shared_strings import Texts
from chexpert.data.workers import PAGE
from chexpert.errors import UserError


class Batch(NamedTuple):
    """What the loader hands over. Images travel as one uint8 channel; the device makes them float."""

    images: torch.Tensor
    """(B, 1, H, W) uint8; or (B, D) float32, the pooled features of frozen members that stand for the images."""
    targets: torch.Tensor
    """(B, C) float32 in [0, 1], in training (B, C + U); in validation {0, 1}, the labels as they are."""
    mask: torch.Tensor
    """Likewise, bool: False where there is nothing to learn from or to evaluate by."""
    paths: list[str]
    """B paths as the CSV has them."""
    skipped: list[str]
    """Paths that could not be read and were left out under ``on_missing=skip``."""
    matrices: torch.Tensor | None = None
    """(B, 2, 3) float32, the sampled geometry, for ``warp`` on the device; None where there is none (left) to apply."""
    rows: Sequence[int] = ()
    """B rows of the split: the order of the file where several processes evaluate."""
    flagged: Sequence[tuple[str, str]] = ()
    """Paths of views that were read all the same, each once, and why they should be looked at: no contrast, ..."""
    grays: torch.Tensor | None = None
    """(B, P) float32, the sampled changes of gray values, for ``Augmentation.apply``; None likewise."""


class Read(NamedTuple):
    """The images of a batch that could be read."""

    images: np.ndarray
    """(B, 1, H, W) uint8, or features (B, D) float32."""
    kept: list[tuple[int, int]]
    """Keys (epoch, row) of these."""
    skipped: list[str]
    """As in :class:`Batch`."""
    flagged: list[tuple[str, str]]
    """As in :class:`Batch`."""


class ViewDataset(Dataset):
    """Views of one split. A key is (epoch, row), so that augmentation depends on seed, epoch and row alone.

    A row below 0 stands for ``~row`` and is masked throughout.

    Args:
        paths: N paths as the CSV has them.
        files: N image files.
        targets: (N, C) float32, in training (N, C + U) (see :class:`chexpert.data.labels.Targets`).
        mask: likewise, bool.
        preprocessing: geometry of the input.
        augmentation: random geometry and gray values, or None.
        seed: of the augmentation.
        skip: leave unreadable images out of their batch and name them there, instead of raising.
        random_targets: targets that each epoch samples anew.
        cache: of these files in this geometry, in the same order. None decodes them each time.
        digests: SHA-256 of each file, which it must have when it is read.
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
        random_targets: RandomTargets | None = None,
        cache: DecodedCache | CachePart | None = None,
        digests: Sequence[str] | None = None,
    ) -> None:
        self.paths, self.files = Texts(paths), Texts(files)
        self.digests = None if digests is None else Texts(digests)
        self.targets, self.mask = torch.tensor(targets), torch.tensor(mask)
        self.preprocessing, self.augmentation = preprocessing, augmentation
        self.seed, self.skip, self.random_targets, self.cache = seed, skip, random_targets, cache

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        return self.read([key])

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Batch | UserError:
        """As torch's fetcher asks for them in a worker, from where only a returned error arrives as it is."""
        try:
            return self.read(keys)
        except UserError as error:
            return error

    def read(self, keys: Sequence[tuple[int, int]]) -> Batch:
        """Return the views of these keys (epoch, row) in one batch.

        Raises:
            UserError: an image cannot be read and ``skip`` is not set, or the cache is damaged.
        """
        images, kept, skipped, flagged = self._read(keys)
        rows = [row for _, row in kept]
        targets, mask = self.targets[rows], self.mask[rows]
        if keys and keys[0][1] < 0:
            mask = torch.zeros_like(mask)
        if self.random_targets is not None and keys:
            self.random_targets.fill(targets.numpy(), rows, keys[0][0])  # a batch is of one epoch
        paths, matrices, grays = self.paths.take(rows), self._matrices(kept), self._sample_grays(kept)
        return Batch(torch.from_numpy(images), targets, mask, paths, skipped, matrices, rows, flagged, grays)

    def measure(self, views: int) -> int:
        """Return the bytes of memory that a batch of so many views takes, each tensor of it whole pages."""
        images, targets = self._allocate(1).nbytes * views, 4 * self.targets[0].numel() * views
        grays = 4 * self.augmentation.columns * views if self.augmentation else 0
        return sum(-(-size // PAGE) * PAGE for size in (images, targets, grays, PAGE, PAGE))

    def _allocate(self, views: int) -> np.ndarray:
        return np.empty((views, 1, *self.preprocessing.size), dtype=np.uint8)

    def _read(self, keys: Sequence[tuple[int, int]]) -> Read:
        images = self._allocate(len(keys))
        read = Read(images, [], [], [])
        for key in keys:
            epoch, row = key[0], max(key[1], ~key[1])
            notes = self._read_image(row, images[len(read.kept)])
            if notes is None:
                read.skipped.append(self.paths[row])
                continue
            read.kept.append((epoch, row))
            if notes:
                read.flagged.append((self.paths[row], "; ".join(notes)))
        return read._replace(images=images[: len(read.kept)])

    def _read_image(self, row: int, image: np.ndarray) -> tuple[str, ...] | None:
        """Fills (1, H, W), and gives notes on the image; None where it cannot be read and may be skipped."""
        out = image[0]
        if self.cache is not None and self.cache.read(row, out):
            return self.cache.notes(row)
        try:
            out[...], notes = self.preprocessing.read_noted(self.files[row], self.digests[row] if self.digests else "")
        except UserError:
            if not self.skip:
                raise
            return None
        return notes

    def _matrices(self, keys: Sequence[tuple[int, int]]) -> torch.Tensor | None:
        if self.augmentation is None:
            return None
        matrices = np.empty((len(keys), 2, 3), dtype=np.float32)
        for out, key in zip(matrices, keys, strict=True):
            rng = np.random.default_rng((self.seed, *key))
            out[...] = self.augmentation.matrix(self.preprocessing.size, rng)[:2]
        return torch.from_numpy(matrices)

    def _sample_grays(self, keys: Sequence[tuple[int, int]]) -> torch.Tensor | None:
        """Sample from a stream of their own: the geometry stays the same with and without them."""
        if self.augmentation is None or not self.augmentation.columns:
            return None
        grays = np.empty((len(keys), self.augmentation.columns), dtype=np.float32)
        for out, key in zip(grays, keys, strict=True):
            rng = open_stream(self.seed, "train", *key, purpose="grays")
            out[...] = self.augmentation.sample(*self.preprocessing.size, rng)
        return torch.from_numpy(grays)
