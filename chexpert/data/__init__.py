"""CheXpert as batches: tables, label policies, geometry, loaders, and the phantom that stands in for it."""

from chexpert.data.augmentation import Augmentation, warp
from chexpert.data.cache import open_cache
from chexpert.data.datamodule import CheXpertDataModule
from chexpert.data.dataset import Batch, ViewDataset
from chexpert.data.labels import LabelPolicy, find_scarce
from chexpert.data.labels.targets import Targets
from chexpert.data.loader import Start
from chexpert.data.phantom import find_phantom, write_phantom
from chexpert.data.preprocessing import Preprocessing, get_size, read_gray
from chexpert.data.sources.frame import read_frame
from chexpert.data.sources.splits import check_studies
from chexpert.data.summary import list_differences, list_repaired
from chexpert.data.tta import make_transforms, predict_views
from chexpert.data.workers import reporting_dead_workers

__all__ = [
    "Augmentation",
    "Batch",
    "CheXpertDataModule",
    "LabelPolicy",
    "Preprocessing",
    "Start",
    "Targets",
    "ViewDataset",
    "check_studies",
    "find_phantom",
    "find_scarce",
    "get_size",
    "list_differences",
    "list_repaired",
    "make_transforms",
    "open_cache",
    "predict_views",
    "read_frame",
    "read_gray",
    "reporting_dead_workers",
    "warp",
    "write_phantom",
]
