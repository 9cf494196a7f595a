"""The loaders that bench_loader.py compares: that of the original notebooks, and this project's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from chexpert.data import Augmentation, Batch, Preprocessing, ViewDataset, open_cache, warp
from chexpert.data.loader import ViewLoader, make_loader

GEOMETRY = Preprocessing()  # 224 px

AUGMENT = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.RandomCrop(224),
        transforms.RandomRotation(7),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


class NotebookViews(Dataset):
    """One color float image at a time."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> torch.Tensor:
        return AUGMENT(Image.open(self.files[row]).convert("RGB"))


def make_notebook(files: Sequence[Path], batch_size: int, workers: int) -> DataLoader:
    """Batches (B, 3, 224, 224) float32."""
    return DataLoader(NotebookViews(files), batch_size, num_workers=workers, persistent_workers=workers > 0)


def make_ours(files: Sequence[Path], batch_size: int, *, cache: Path | None = None, workers: int = 0) -> ViewLoader:
    """Batches of (B, 1, 224, 224) uint8 with their sampled geometry; from a cache where its folder is given."""
    targets, mask = np.zeros((len(files), 5), "float32"), np.ones((len(files), 5), bool)
    opened = open_cache(cache, f"bench{len(files)}", files, GEOMETRY) if cache else None
    views = ViewDataset([*map(str, files)], files, targets, mask, GEOMETRY, Augmentation(flip=0.5), cache=opened)
    return make_loader(views, batch_size=batch_size, workers=workers, shuffle=True, seed=0)


def make_ready(batch: Batch) -> torch.Tensor:
    """What the device does, done here: augmented, (B, 1, 224, 224) float32, normalized."""
    assert batch.matrices is not None
    return warp(batch.images, batch.matrices).float().div_(255).sub_(0.449).div_(0.226)
