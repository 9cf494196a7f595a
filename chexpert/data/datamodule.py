"""CheXpert for Lightning: the train and valid splits of one copy of the data."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl

from chexpert.data.augmentation import Augmentation, warp
from chexpert.data.cache_build import open_cache
from chexpert.data.dataset import Batch, ViewDataset
from chexpert.data.frame import FOLDERS, VIEWS, find_folder, read_frame, select_views
from chexpert.data.labels import LabelPolicy, hard_labels
from chexpert.data.loader import ViewLoader, make_loader
from chexpert.data.preprocessing import FITS, Preprocessing
from chexpert.problem import ProblemError

ON_MISSING = ("stop", "skip")


class CheXpertDataModule(pl.LightningDataModule):
    """Train and validation views of CheXpert.

    Args:
        root: the folder above ``CheXpert-v1.0-small`` (or ``CheXpert-v1.0``, ``chexpert/v1.0[-small]``).
        observations: names of the C observations to learn, in the order of the model's outputs.
        labels: policy for uncertain and blank training labels. Validation takes the labels as they are.
        variant: ``small`` or ``full``.
        views: ``frontal``, ``lateral`` or ``all``.
        size: height and width of the model's input in pixels.
        fit: how a film becomes square: ``stretch``, ``crop`` or ``pad``.
        augmentation: random geometry for training.
        batch_size: views a step.
        workers: loader processes; 0 decodes in the main process.
        on_missing: ``stop`` at a missing or unreadable image, or ``skip`` and count it.
        seed: of order and augmentation.
        cache: folder for the decoded films, 50 KB each at 224 px: later epochs and runs decode nothing. None: no cache.
    """

    def __init__(
        self,
        root: str | Path,
        observations: Sequence[str],
        labels: LabelPolicy,
        variant: str = "small",
        views: str = "frontal",
        size: int = 224,
        fit: str = "stretch",
        augmentation: Augmentation | None = None,
        batch_size: int = 16,
        workers: int = 2,
        on_missing: str = "stop",
        seed: int = 0,
        cache: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.root, self.variant, self.views = Path(root), variant, views
        self.observations, self.labels, self.seed = list(observations), labels, seed
        self.preprocessing, self.augmentation = Preprocessing(size, fit), augmentation
        self.batch_size, self.workers, self.on_missing = batch_size, workers, on_missing
        self.cache = cache
        self.skipped: set[str] = set()
        """CSV paths of the views left out so far under ``on_missing=skip``."""
        self.train: ViewDataset | None = None
        self.valid: ViewDataset | None = None

    @staticmethod
    def find_problems(root: object = None, **options: object) -> list[str]:
        """What is wrong with these arguments, before anything is read; a root yet to be made is a mapping."""
        choices = {"variant": tuple(FOLDERS), "views": VIEWS, "fit": FITS, "on_missing": ON_MISSING}
        problems = [
            str(
                ProblemError(
                    f"unknown {key}: {options[key]!r}",
                    where=f"data.{key}",
                    mend=f"one of {', '.join(values)}",
                )
            )
            for key, values in choices.items()
            if key in options and options[key] not in values
        ]
        for key, least in (("size", 8), ("batch_size", 1), ("workers", 0)):
            value = options.get(key, least)
            if not isinstance(value, int) or value < least:
                mend = f"a whole number, at least {least}"
                problems.append(str(ProblemError(f"{value!r} is not possible", where=f"data.{key}", mend=mend)))
        cache = options.get("cache")
        if cache is not None and (not isinstance(cache, str | Path) or not str(cache) or Path(cache).is_file()):
            what, mend = f"{str(cache)!r} is no folder for the cache", "a folder, made if missing: outputs/cache"
            problems.append(str(ProblemError(what, where="data.cache", mend=mend)))
        variant = options.get("variant", "small")
        if root is None:
            mend = "give the folder above CheXpert-v1.0[-small]: data.root=..., or set CHEXPERT_ROOT"
            problems.append(str(ProblemError("where is CheXpert?", where="data.root", mend=mend)))
        elif isinstance(root, str | Path) and variant in FOLDERS:
            try:
                find_folder(root, str(variant))
            except ProblemError as error:
                problems.append(str(error))
        return problems

    def setup(self, stage: str) -> None:
        """Reads both tables and sees that their images are there. A second call reads nothing."""
        if self.valid is not None:
            return
        folder = find_folder(self.root, self.variant)
        frame = self._frame(folder, "train")
        self.train = self._views(folder, frame, *self.labels.apply(frame, self.observations), self.augmentation)
        frame = self._frame(folder, "valid")
        self.valid = self._views(folder, frame, *hard_labels(frame, self.observations), None)

    def train_dataloader(self) -> ViewLoader:
        assert self.train is not None
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> ViewLoader:
        assert self.valid is not None
        return self._loader(self.valid, shuffle=False)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augments on the device, and counts in the main process what the workers skipped, once a view."""
        for path in set(batch.skipped) - self.skipped:
            self.skipped.add(path)
            print(f"skipped, cannot be read: {path}", file=sys.stderr)
        if batch.matrices is None:
            return batch
        return batch._replace(images=warp(batch.images, batch.matrices), matrices=None)

    def _frame(self, folder: Path, split: str) -> pd.DataFrame:
        """The selected views of a split whose files are there; under ``stop`` all of them must be."""
        frame = select_views(read_frame(folder / f"{split}.csv"), self.views)
        if frame.empty:
            raise ProblemError(
                f"no {self.views} view in this split", where=f"{folder / split}.csv", mend="data.views=all"
            )
        missing = [not file.is_file() for file in self._files(folder, frame)]
        absent = frame.loc[missing, "path"]
        if len(absent) and (self.on_missing == "stop" or len(absent) == len(frame)):
            some = f"{len(absent)} of {len(frame)} listed images are missing, the first: {absent.iloc[0]}"
            way_out = ", or leave such views out and count them: data.on_missing=skip"
            mend = "restore them" + (way_out if self.on_missing == "stop" else "")
            raise ProblemError(some, where=str(folder / f"{split}.csv"), mend=mend)
        if len(absent):
            self.skipped.update(absent)
            print(
                f"skipped, missing: {len(absent)} images of {split}, the first {absent.iloc[0]}",
                file=sys.stderr,
            )
        return frame[[not gone for gone in missing]].reset_index(drop=True)

    def _views(
        self,
        folder: Path,
        frame: pd.DataFrame,
        targets: np.ndarray,
        mask: np.ndarray,
        augmentation: Augmentation | None,
    ) -> ViewDataset:
        skip = self.on_missing == "skip"
        files, cache = self._files(folder, frame), None
        if self.cache is not None:
            cache = open_cache(
                Path(self.cache).expanduser(), frame["split"].iloc[0], files, self.preprocessing, skip=skip
            )
        shown = self.preprocessing, augmentation, self.seed, skip, cache
        return ViewDataset(list(frame["path"]), files, targets, mask, *shown)

    def _files(self, folder: Path, frame: pd.DataFrame) -> list[Path]:
        return [folder / f"{key}.jpg" for key in frame["key"]]

    def _loader(self, views: ViewDataset, *, shuffle: bool) -> ViewLoader:
        return make_loader(views, batch_size=self.batch_size, workers=self.workers, shuffle=shuffle, seed=self.seed)
