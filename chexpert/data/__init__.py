"""CheXpert as batches: tables, label policies, geometry, loaders, and the phantom that stands in for it."""

from chexpert.data.augmentation import Augmentation, warp
from chexpert.data.cache import open_cache
from chexpert.data.datamodule import CheXpertDataModule
from chexpert.data.dataset import Batch, ViewDataset
from chexpert.data.labels import LabelPolicy, find_scarce
from chexpert.data.loader import Start, telling_dead_workers
from chexpert.data.phantom import find_phantom, write_phantom
from chexpert.data.preprocessing import Preprocessing, read_gray, read_size
from chexpert.data.reading import check_studies

__all__ = [
    "Augmentation",
    "Batch",
    "CheXpertDataModule",
    "LabelPolicy",
    "Preprocessing",
    "Start",
    "ViewDataset",
    "check_studies",
    "find_phantom",
    "find_scarce",
    "open_cache",
    "read_gray",
    "read_size",
    "telling_dead_workers",
    "warp",
    "write_phantom",
]
