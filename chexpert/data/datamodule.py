"""CheXpert for Lightning: the splits of one copy of the data."""

import copy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl

from chexpert.data.augmentation import Augmentation, warp
from chexpert.data.cache import CachePart, DecodedCache, open_cache
from chexpert.data.dataset import Batch, ViewDataset
from chexpert.data.files import find_present
from chexpert.data.frame import VIEWS, select_views
from chexpert.data.labels import LabelPolicy, Targets, hard_labels
from chexpert.data.layout import LABELLERS, VARIANTS, Layout, find_layout
from chexpert.data.loader import ViewLoader, make_loader
from chexpert.data.manifest import check_files, expect, read_manifest
from chexpert.data.plus import SECTIONS
from chexpert.data.preprocessing import FITS, Preprocessing
from chexpert.data.split import held_range, hold_out
from chexpert.data.summary import summarise_data
from chexpert.problem import ProblemError

CHOICES = {
    "variant": VARIANTS,
    "views": VIEWS,
    "fit": FITS,
    "on_missing": ("stop", "skip"),
    "labeller": (None, *LABELLERS, *SECTIONS),
}


class CheXpertDataModule(pl.LightningDataModule):
    """The views of CheXpert by split.

    Training views are those of train.csv, less the patients that are held out as ``dev``. The epoch is chosen on
    ``dev`` where there is one, otherwise on ``valid``; ``valid`` and, where asked, ``test`` are what is reported.

    Args:
        root: the folder above CheXpert's own, in any of the forms that :mod:`chexpert.data.layout` knows.
        observations: names of the C observations to learn, in the order of the model's outputs.
        labels: policy for uncertain and blank training labels. Other splits take the labels as they are.
        variant: ``small``, ``full``, ``plus``, or ``auto`` where only one of them lies there.
        labeller: whose labels train gets: None for those of train.csv, ``chexbert``, ``visualchexbert``; of CheXpert
            Plus ``impression`` (its default), ``findings`` or ``report``.
        views: ``frontal``, ``lateral`` or ``all``.
        dev: share of the training patients that is held out, in (0, 1).
        folds: hold out one of this many folds of the training patients instead.
        fold: which one, from 0.
        test: report the test set too; a folder, where it lies in another copy.
        size: height and width of the model's input in pixels.
        fit: how a film becomes square: ``stretch``, ``crop`` or ``pad``.
        augmentation: random geometry for training.
        batch_size: views a step.
        workers: loader processes; 0 decodes in the main process.
        on_missing: ``stop`` at a missing or unreadable image, or ``skip`` and count it.
        seed: of splits, order and augmentation.
        manifest: file of SHA-256s, by ``audit_data.py ROOT --manifest``: what differs from it never reaches the model.
        cache: folder for the decoded films, 50 KB each at 224 px: later epochs and runs decode nothing. None: no cache.
    """

    def __init__(
        self,
        root: str | Path,
        observations: Sequence[str],
        labels: LabelPolicy,
        variant: str = "auto",
        labeller: str | None = None,
        views: str = "frontal",
        dev: float | None = None,
        folds: int | None = None,
        fold: int = 0,
        test: bool | str = False,
        size: int = 224,
        fit: str = "stretch",
        augmentation: Augmentation | None = None,
        batch_size: int = 16,
        workers: int = 2,
        on_missing: str = "stop",
        seed: int = 0,
        cache: str | Path | None = None,
        manifest: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.root, self.variant, self.labeller, self.views = Path(root), variant, labeller, views
        self.observations, self.labels, self.seed = list(observations), labels, seed
        self.held, self.with_test = held_range(dev, folds, fold), test
        self.preprocessing, self.augmentation = Preprocessing(size, fit), augmentation
        self.batch_size, self.workers, self.on_missing = batch_size, workers, on_missing
        self.cache, self.manifest = cache, manifest
        self.skipped: set[str] = set()
        """CSV paths of the views left out so far under ``on_missing=skip``."""
        self.frames: dict[str, pd.DataFrame] = {}
        """The views of train, dev, valid, test, as far as there; ``file``: the image, ``film``: its row in a cache."""
        self.datasets: dict[str, ViewDataset] = {}
        self.judged = "valid"
        """The split that the next validation judges outside of fitting."""

    @staticmethod
    def find_problems(root: object = None, **options: Any) -> list[str]:
        """What is wrong with these arguments, before anything is read; a root yet to be made is a mapping."""
        problems = [*_find_unknown(options), *_find_wrong_numbers(options), *_find_wrong_parts(options)]
        problems += _find_wrong_paths(options.get("cache"), options.get("manifest"))
        variant = options.get("variant", "auto")
        if root is None:
            mend = "give the folder above CheXpert's own: data.root=..., or set CHEXPERT_ROOT"
            problems.append(ProblemError("where is CheXpert?", where="data.root", mend=mend))
        elif isinstance(root, str | Path) and variant in VARIANTS:
            try:
                find_layout(root, variant)
            except ProblemError as error:
                problems.append(error)
        return [str(problem) for problem in problems]

    @property
    def choosing(self) -> str:
        """The split on which the epoch is chosen."""
        return "valid" if self.held is None else "dev"

    @property
    def reported(self) -> list[str]:
        """The splits that are judged by the best weights."""
        return [name for name in ("dev", "valid", "test") if name in self.datasets]

    def summarise(self) -> dict[str, Any]:
        """Which data this is, for a run to keep."""
        settings = {"views": self.views, "labeller": self.labeller, "manifest": self.manifest and str(self.manifest)}
        return summarise_data(self.layout, self.frames, **settings)

    def setup(self, stage: str) -> None:
        """Reads the tables and sees that their images are there; train only to fit. A second call reads nothing."""
        if self.datasets:
            return
        self.layout = find_layout(self.root, self.variant)
        self.known = read_manifest(Path(self.manifest).expanduser()) if self.manifest else None
        if stage == "fit":
            self._setup_train()
        layouts = {"valid": self.layout}
        if self.with_test:
            layouts["test"] = self.layout if self.with_test is True else find_layout(self.with_test)
        for name, layout in layouts.items():
            frame = self._read(layout, name)
            self._add(name, frame, self._open_cache(name, frame))
        self._check_patients()

    def train_dataloader(self) -> ViewLoader:
        return self._loader(self.datasets["train"], shuffle=True)

    def val_dataloader(self) -> ViewLoader:
        fitting = self.trainer is not None and self.trainer.state.fn == "fit"
        return self._loader(self.datasets[self.choosing if fitting else self.judged], shuffle=False)

    def predict_dataloader(self) -> ViewLoader:
        """The training views as validation would show them: in file order, without augmentation."""
        views = copy.copy(self.datasets["train"])
        views.augmentation = None
        return self._loader(views, shuffle=False)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augments on the device, and counts in the main process what the workers skipped, once a view."""
        for path in set(batch.skipped) - self.skipped:
            self.skipped.add(path)
            print(f"skipped, cannot be read: {path}", file=sys.stderr)
        if batch.matrices is None:
            return batch
        return batch._replace(images=warp(batch.images, batch.matrices), matrices=None)

    def _setup_train(self) -> None:
        train = self._read(self.layout, "train")
        films = self._open_cache("train", train)
        if self.held is not None:
            train, dev = hold_out(train, *self.held, self.seed)
            self._add("dev", dev, films)
        self._add("train", train, films)

    def _read(self, layout: Layout, name: str) -> pd.DataFrame:
        """The selected views of a split whose files are there; under ``stop`` all of them must be."""
        if self.known is not None:
            check_files(self.known, layout.folder, layout.list_tables(name, self.labeller))
        frame = select_views(layout.read(name, self.labeller), self.views)
        table = layout.tables[name]
        if frame.empty:
            raise ProblemError(f"no {self.views} view in this split", where=str(table), mend="data.views=all")
        frame = frame.assign(file=list(map(str, layout.locate(frame))))
        present = find_present(layout.folder, frame["file"])
        absent = frame.loc[~present, "path"]
        if len(absent) and (self.on_missing == "stop" or not present.any()):
            some = f"{len(absent)} of {len(frame)} listed images are missing, the first: {absent.iloc[0]}"
            way_out = ", or leave such views out and count them: data.on_missing=skip"
            mend = "restore them" + (way_out if self.on_missing == "stop" else "")
            raise ProblemError(some, where=str(table), mend=mend)
        if len(absent):
            self.skipped.update(absent)
            first = absent.iloc[0]
            print(f"skipped, missing: {len(absent)} images of {name}, the first {first}", file=sys.stderr)
        frame = frame[present].reset_index(drop=True).assign(film=np.arange(present.sum()))
        return frame if self.known is None else frame.assign(sha256=expect(self.known, layout.folder, frame["file"]))

    def _open_cache(self, name: str, frame: pd.DataFrame) -> DecodedCache | None:
        """The cache of a split as it was read, before anything is held out of it: all folds share it."""
        if self.cache is None:
            return None
        skip, folder = self.on_missing == "skip", Path(self.cache).expanduser()
        return open_cache(folder, name, list(frame["file"]), self.preprocessing, skip=skip, digests=_digests(frame))

    def _add(self, name: str, frame: pd.DataFrame, films: DecodedCache | None) -> None:
        self.frames[name] = frame
        train, names = name == "train", self.observations
        targets = self.labels.apply(frame, names) if train else Targets(*hard_labels(frame, names))
        self.datasets[name] = ViewDataset(
            list(frame["path"]),
            list(frame["file"]),
            targets.values,
            targets.mask,
            self.preprocessing,
            self.augmentation if train else None,
            self.seed,
            skip=self.on_missing == "skip",
            draws=targets.draws,
            cache=films and CachePart(films, frame["film"].to_numpy()),
            digests=_digests(frame),
        )

    def _check_patients(self) -> None:
        """Refuses a patient who is in two splits: what is learned of one film is known of the other."""
        patients = {name: set(frame["patient"]) for name, frame in self.frames.items()}
        names = list(patients)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                if shared := patients[one] & patients[other]:
                    what = f"{len(shared)} patients are both in {one} and in {other}, the first: {min(shared)}"
                    mend = "remove them from one of the two tables, or restore these"
                    raise ProblemError(what, where=str(self.layout.folder), mend=mend)

    def _loader(self, views: ViewDataset, *, shuffle: bool) -> ViewLoader:
        return make_loader(views, batch_size=self.batch_size, workers=self.workers, shuffle=shuffle, seed=self.seed)


def _digests(frame: pd.DataFrame) -> list[str] | None:
    return list(frame["sha256"]) if "sha256" in frame else None


def _find_unknown(options: dict[str, Any]) -> Iterator[ProblemError]:
    for key, values in CHOICES.items():
        if key in options and options[key] not in values:
            mend = "one of " + ", ".join("null" if value is None else value for value in values)
            yield ProblemError(f"unknown {key}: {options[key]!r}", where=f"data.{key}", mend=mend)


def _find_wrong_numbers(options: dict[str, Any]) -> Iterator[ProblemError]:
    for key, least in (("size", 8), ("batch_size", 1), ("workers", 0), ("folds", 2), ("fold", 0)):
        value = options.get(key, least)
        if value is None and key == "folds":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            mend = f"a whole number, at least {least}"
            yield ProblemError(f"{value!r} is not possible", where=f"data.{key}", mend=mend)


def _find_wrong_parts(options: dict[str, Any]) -> Iterator[ProblemError]:
    """What is wrong with the parts of the training set that are held out."""
    dev, folds, fold = options.get("dev"), options.get("folds"), options.get("fold", 0)
    if dev is not None and not (isinstance(dev, float) and 0 < dev < 1):
        yield ProblemError(f"{dev!r} is not possible", where="data.dev", mend="a share between 0 and 1, such as 0.05")
    if dev is not None and folds is not None:
        yield ProblemError("both a development split and folds", where="data.dev, data.folds", mend="give one of them")
    if isinstance(folds, int) and isinstance(fold, int) and fold >= folds:
        yield ProblemError(f"there is no fold {fold}", where="data.fold", mend=f"0 to {folds - 1}")


def _find_wrong_paths(cache: object, manifest: object) -> Iterator[ProblemError]:
    if manifest is not None and not (isinstance(manifest, str | Path) and Path(manifest).expanduser().is_file()):
        mend = "write one: python scripts/audit_data.py ROOT --manifest FILE"
        yield ProblemError(f"no manifest there: {manifest}", where="data.manifest", mend=mend)
    if cache is not None and (not isinstance(cache, str | Path) or not str(cache) or Path(cache).is_file()):
        what, mend = f"{str(cache)!r} is no folder for the cache", "a folder, made if missing: outputs/cache"
        yield ProblemError(what, where="data.cache", mend=mend)
