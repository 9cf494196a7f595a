"""CheXpert for Lightning: the train and valid splits of one copy of the data."""

import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from chexpert.data.augmentation import Augmentation
from chexpert.data.dataset import Batch, ViewDataset, ViewSampler
from chexpert.data.frame import FOLDERS, VIEWS, find_folder, read_frame, select_views
from chexpert.data.labels import LabelPolicy, hard_labels
from chexpert.data.preprocessing import FITS, Preprocessing
from chexpert.data.targets import Targets
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
    ) -> None:
        super().__init__()
        self.root, self.variant, self.views = Path(root), variant, views
        self.observations, self.labels, self.seed = list(observations), labels, seed
        self.preprocessing, self.augmentation = Preprocessing(size, fit), augmentation
        self.batch_size, self.workers, self.on_missing = batch_size, workers, on_missing
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
        self.train = self._views(folder, frame, self.labels.apply(frame, self.observations), self.augmentation)
        frame = self._frame(folder, "valid")
        self.valid = self._views(folder, frame, Targets(*hard_labels(frame, self.observations)), None)

    def train_dataloader(self) -> DataLoader:
        assert self.train is not None
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        assert self.valid is not None
        return self._loader(self.valid, shuffle=False)

    def predict_dataloader(self) -> DataLoader:
        """The training views as validation would show them: in file order, without augmentation."""
        views = copy.copy(self.train)
        assert views is not None
        views.augmentation = None
        return self._loader(views, shuffle=False)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Counts in the main process what the workers skipped, once a view."""
        for path in set(batch.skipped) - self.skipped:
            self.skipped.add(path)
            print(f"skipped, cannot be read: {path}", file=sys.stderr)
        return batch

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
        targets: Targets,
        augmentation: Augmentation | None,
    ) -> ViewDataset:
        return ViewDataset(
            list(frame["path"]),
            self._files(folder, frame),
            targets.values,
            targets.mask,
            self.preprocessing,
            augmentation,
            self.seed,
            skip=self.on_missing == "skip",
            draws=targets.draws,
        )

    def _files(self, folder: Path, frame: pd.DataFrame) -> list[Path]:
        return [folder / f"{key}.jpg" for key in frame["key"]]

    def _loader(self, views: ViewDataset, *, shuffle: bool) -> DataLoader:
        return DataLoader(
            views,
            batch_size=self.batch_size,
            sampler=ViewSampler(len(views), shuffle=shuffle, seed=self.seed),
            num_workers=self.workers,
            collate_fn=_as_is,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.workers > 0,
        )


def _as_is(batch: Any) -> Any:
    """ViewDataset hands out whole batches already."""
    return batch
