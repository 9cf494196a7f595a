"""CheXpert for Lightning: the splits of one copy of the data."""

import copy
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch

from chexpert.console import FirstLines
from chexpert.data.augmentation import Augmentation, warp
from chexpert.data.cache import CachePart, DecodedCache, open_cache
from chexpert.data.dataset import Batch, ViewDataset
from chexpert.data.features import FORWARD, Encoder, Features, FeatureViews, open_features
from chexpert.data.labels import LabelPolicy, Targets, hard_labels, mask_unlabeled
from chexpert.data.labels.corrections import Corrections, locate_corrections
from chexpert.data.labels.corrections_file import read_corrections
from chexpert.data.labels.learned_targets import check_origin
from chexpert.data.loader import BEGIN, SINGLE_PROCESS, Share, Start, ViewLoader, make_loader
from chexpert.data.preprocessing import Preprocessing
from chexpert.data.setting_checks import find_wrong_settings
from chexpert.data.skip_limit import SkipLimit
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.label_coverage import check_conditional, note_absent
from chexpert.data.sources.layout import Layout
from chexpert.data.sources.manifest import read_manifest
from chexpert.data.sources.splits import SplitReader, check_families, check_patients
from chexpert.data.split import check_folds, held_range, hold_out
from chexpert.data.summary import describe_source, identify, summarize_split, write_labels
from chexpert.errors import UserError
from chexpert.image_size import ImageSize
from chexpert.runs.files import EVALUATED_SPLITS


class CheXpertDataModule(pl.LightningDataModule):
    """The views of CheXpert by split.

    Training views are those of train.csv, less the patients that are held out as ``dev``. The epoch is chosen on
    ``dev`` where there is one, otherwise on ``valid``; ``valid`` and, where asked, ``test`` are what is reported. They
    are evaluated by their labels as they are, ``dev`` by labels read from reports, of which blanks count as negative.

    Args:
        root: the folder that contains CheXpert-v1.0[-small], in any form of :mod:`chexpert.data.sources.layout`.
        observations: names of the C observations to learn, in the order of the model's outputs.
        labels: policy for uncertain and blank training labels. Other splits take the labels as they are.
        variant: ``small``, ``full``, ``plus``, an external data set such as ``nih``, or ``auto`` where only one of
            them lies there.
        labeler: whose labels train gets (null: those of train.csv): ``chexbert`` or ``visualchexbert``; of CheXpert
            Plus ``impression`` (its default), ``findings`` or ``report``, for valid too.
        views: ``frontal``, ``lateral`` or ``all``.
        dev: share of the training patients that is held out, in (0, 1).
        folds: hold out one of this many folds of the training patients instead.
        fold: which one, from 0; given with ``folds``.
        test: report the test set too; a folder, where it lies in another copy.
        image_size: of the model's input in pixels: a whole number for a square, or height and width.
        resize_mode: how an image gets these proportions: ``stretch``, ``crop`` or ``pad``.
        augmentation: random geometry and gray values for training.
        batch_size: views a step, on all devices together; a single training view that is left over at the end of an
            epoch joins the batch before it.
        num_workers: loader processes, of each device; 0 decodes in the main process.
        on_missing: ``stop`` at a missing or unreadable image, or ``skip`` and count it.
        skip_limit: share of the views of a split that may be skipped, in [0, 1]: beyond it the run stops.
        seed: of splits, order and augmentation.
        corrections: file of corrected labels, as ``chexpert audit-labels`` lists them: these take the place of the
            labels of the training views.
        correct_evaluated: correct the labels of dev, valid and test too, by which runs are compared.
        manifest: file of SHA-256s, by ``chexpert audit --manifest``: what differs from it never reaches the model.
        cache: folder for decoded images, 50 KB each at 224 px: later epochs and runs decode nothing. None: no cache.
    """

    def __init__(
        self,
        root: str | Path,
        observations: Sequence[str],
        labels: LabelPolicy,
        variant: str = "auto",
        labeler: str | None = None,
        views: str = "frontal",
        dev: float | None = None,
        folds: int | None = None,
        fold: int | None = None,
        test: bool | str = False,
        image_size: int | Sequence[int] = 224,
        resize_mode: str = "stretch",
        augmentation: Augmentation | None = None,
        batch_size: int = 16,
        num_workers: int = 2,
        on_missing: str = "stop",
        seed: int = 0,
        cache: str | Path | None = None,
        manifest: str | Path | None = None,
        corrections: str | Path | None = None,
        correct_evaluated: bool = False,
        skip_limit: float = 0.01,
    ) -> None:
        super().__init__()
        self.root, self.variant, self.labeler, self.views = Path(root), variant, labeler, views
        self.observations, self.labels, self.seed = list(observations), labels, seed
        self.held, self.folds, self.with_test = held_range(dev, folds, fold), folds, test
        self.preprocessing, self.augmentation = Preprocessing(ImageSize.of(image_size), resize_mode), augmentation
        self.batch_size, self.num_workers, self.on_missing = batch_size, num_workers, on_missing
        self.cache, self.manifest = cache, manifest
        self.corrections_file, self.correct_evaluated = corrections, correct_evaluated
        self.corrections: Corrections | None = None
        """What was corrected, where ``corrections`` names a file."""
        self.skip_limit = SkipLimit(skip_limit)
        self.skipped: set[str] = set()
        """CSV paths of the views left out so far under ``on_missing=skip``."""
        self.flagged: dict[str, str] = {}
        """CSV paths of the views that were read so far and should be looked at, and why."""
        self.lines = {kind: FirstLines(f"metrics.json lists them all under {kind}") for kind in ("skipped", "flagged")}
        """What is printed of both."""
        self.frames: dict[str, pd.DataFrame] = {}
        """The views of train, dev, valid, test, as far as there; ``file``: the image, ``image``: its row in a cache."""
        self.datasets: dict[str, ViewDataset] = {}
        self.layouts: dict[str, Layout] = {}
        """The copy that each split is read from."""
        self.sources: dict[str, dict[str, Any]] = {}
        """Copy, folder and label file of each split, and whether its images are synthetic."""
        self.learned_targets: dict[str, Any] = {}
        """What the file of learned targets says of the observations; empty where none is learned."""
        self._contents: dict[str, dict[str, Any]] = {}
        """What identifies each split, once it was asked for: images are read for it."""
        self.evaluated_split = "valid"
        """The split that the next validation evaluates outside of fitting."""
        self.predicted_split = "train"
        """The split that the next prediction is of."""
        self.features: dict[str, Features] = {}
        """What loaders give in the place of images, by split."""
        self.on_read: Callable[[dict[str, int]], None] = lambda views: None
        """Called with the number of views of each split, before any image is read."""
        self.start = BEGIN
        """Where training resumes."""

    @staticmethod
    def validate_args(root: object = None, **options: Any) -> list[UserError]:
        """Return the errors in these arguments, before anything is read; a root yet to be made is a mapping."""
        return list(find_wrong_settings(root, options))

    @property
    def selection_split(self) -> str | None:
        """The split on which the epoch is chosen; None where nothing is trained."""
        return None if "train" not in self.datasets else "dev" if "dev" in self.datasets else "valid"

    @property
    def reported(self) -> list[str]:
        """The splits that are evaluated by the best weights."""
        return [name for name in EVALUATED_SPLITS if name in self.datasets]

    @property
    def synthetic(self) -> bool:
        """Return whether the training images are synthetic, or where there are none the validation images."""
        return bool(self.sources["train" if "train" in self.sources else "valid"]["synthetic"])

    def summarize(self, skipped: Iterable[str] = ()) -> dict[str, Any]:
        """Return a summary of the data, without the views skipped so far, or known to be ``skipped``."""
        gone = self.skipped | set(skipped)
        kept = {name: frame[~frame["path"].isin(gone)] for name, frame in self.frames.items()}
        splits = {name: summarize_split(frame) | self.sources[name] for name, frame in kept.items()}
        for name, split in splits.items():
            split["content"] = self.identify(name)
        corrected = {"corrections": self.corrections.summarize()} if self.corrections else {}
        learned = {"learned_targets": self.learned_targets} if self.learned_targets else {}
        base = {"views": self.views, "manifest": self.manifest and str(self.manifest), "splits": splits}
        return base | corrected | learned

    def identify(self, split: str) -> dict[str, Any]:
        """Return what identifies a split: digests of the order of its rows, the targets, and some images."""
        if split not in self._contents:
            self._contents[split] = identify(self.frames[split], self.datasets[split])
        return self._contents[split]

    def write_labels(self, path: Path, split: str, views: Sequence[str]) -> None:
        """Write the labels by which these views (their CSV paths) of a split are evaluated, in CheXpert's columns."""
        write_labels(path, self.frames[split], self.datasets[split], self.observations, views)

    def setup(self, stage: str) -> None:
        """Read the splits and check that their images are there; train only to fit. A second call reads nothing."""
        if "train" in self.datasets or (self.datasets and stage != "fit"):
            return
        self.layout = find_layout(self.root, self.variant)
        known = read_manifest(Path(self.manifest).expanduser()) if self.manifest else None
        layouts = dict.fromkeys(("train", "valid") if stage == "fit" else ("valid",), self.layout)
        if self.with_test:
            layouts["test"] = self.layout if self.with_test is True else find_layout(self.with_test, where="data.test")
        frames: dict[str, pd.DataFrame] = {}
        listed: dict[str, pd.DataFrame] = {}
        for name, layout in layouts.items():
            reader = SplitReader(layout, self.views, self.labeler, known, skip=self.on_missing == "skip")
            frames[name] = reader.read(name)
            listed[name] = reader.listed
            self.sources[name] = describe_source(layout, name, self.labeler)
            self.skipped.update(reader.missing)
            self.skip_limit.start(name, list(frames[name]["path"]), reader.missing, layout.tables[name])
        self.layouts = layouts | {"dev": self.layout}
        check_families(layouts)
        note_absent(layouts, self.observations)
        if "train" in layouts and self.labels.conditional:
            check_conditional(self.layout, self.observations)
        for origin in {layout.origin for layout in layouts.values()}:  # patient00001 of two data sets are two patients
            own = {name: frame for name, frame in frames.items() if layouts[name].origin == origin}
            check_patients(own, self.layout.folder)
        whole = dict(frames)
        if stage == "fit" and self.held is not None:
            check_folds(frames["train"], self.folds)
            frames["train"], frames["dev"] = hold_out(frames["train"], *self.held, self.seed)
        if self.corrections_file:
            file = read_corrections(Path(self.corrections_file).expanduser())
            self.corrections = locate_corrections(file, listed, evaluated=self.correct_evaluated)
            frames = self.corrections.correct(frames)
        self.on_read({name: len(frame) for name, frame in frames.items()})
        images = {name: self._open_cache(name, frame) for name, frame in whole.items()}
        if "dev" in frames:
            images["dev"], self.sources["dev"] = images["train"], self.sources["train"]
        self.frames, self._contents = frames, {}
        self.datasets = {name: self._make_views(name, frame, images[name]) for name, frame in frames.items()}

    def keep_views(self, split: str, paths: Container[str]) -> None:
        """Leave only these views, named by their CSV paths, in a split that is read without a cache; or none of it."""
        frame = self.frames.pop(split)
        del self.datasets[split]
        frame = frame[[path in paths for path in frame["path"]]].reset_index(drop=True)
        if len(frame):
            self.frames[split], self.datasets[split] = frame, self._make_views(split, frame, None)
        self._contents = {}

    def train_dataloader(self) -> ViewLoader:
        return self._loader("train", shuffle=True, start=self.start)

    def val_dataloader(self) -> ViewLoader:
        fitting = self.trainer is not None and self.trainer.state.fn == "fit"
        return self._loader((fitting and self.selection_split) or self.evaluated_split, shuffle=False)

    def predict_dataloader(self) -> ViewLoader:
        """Return a loader of a split as validation would show it: in file order, without augmentation."""
        return self._loader(self.predicted_split, shuffle=False, augmented=False)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move the tensors alone: Lightning would look at each of B paths and rows, a third of a step on features."""
        waits = device.type in ("cpu", "mps")  # as Lightning has it
        tensors: dict[str, Any] = {key: part for key, part in batch._asdict().items() if isinstance(part, torch.Tensor)}
        return batch._replace(**{key: part.to(device, non_blocking=not waits) for key, part in tensors.items()})

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment on the device, and count in the main process the views that the workers skipped, each once."""
        for path in sorted(set(batch.skipped) - self.skipped):
            self.lines["skipped"].print(f"skipped, cannot be read: {path}")
            self.add_skipped({path})
        for path, why in batch.flagged:
            if path not in self.flagged:
                self.flagged[path] = why
                self.lines["flagged"].print(f"{why}: {path}")
        if batch.matrices is None:
            return batch
        images = warp(batch.images, batch.matrices)
        if batch.grays is not None and self.augmentation is not None:
            images = self.augmentation.apply(images, batch.grays)
        return batch._replace(images=images, matrices=None, grays=None)

    def add_skipped(self, paths: Iterable[str]) -> None:
        """Count views that this process, or another one, could not read.

        Raises:
            UserError: they are more than ``skip_limit`` lets be skipped.
        """
        new = sorted(set(paths) - self.skipped)
        self.skipped.update(new)
        self.skip_limit.count(new)

    def use_features(self, folder: Path, encoders: Sequence[Encoder]) -> None:
        """Let loaders give the features of these encoders, as :func:`open_features` keeps them in ``folder``.

        Views of train and those held out of it share a file, whatever the fold.
        """
        frames = {name: frame for name, frame in self.frames.items() if name != "dev"}
        if "dev" in self.frames:
            frames["train"] = pd.concat([self.frames["train"], self.frames["dev"]]).sort_values("image")
        for name, frame in frames.items():
            cache = self.datasets[name].cache
            views = self._make_views("plain", frame, cache.cache if isinstance(cache, CachePart) else None)
            loading = {"batch_size": min(self.batch_size, FORWARD), "workers": self.num_workers}
            paths = open_features(folder, name, views, encoders, **loading)
            for split in ("train", "dev") if name == "train" else (name,):
                if split in self.frames:
                    self.features[split] = Features(paths, self.frames[split]["image"].to_numpy())

    def _open_cache(self, name: str, frame: pd.DataFrame) -> DecodedCache | None:
        """The cache of a split as it was read, before anything is held out of it: all folds share it."""
        if self.cache is None:
            return None
        skip, folder = self.on_missing == "skip", Path(self.cache).expanduser()
        files, digests = list(frame["file"]), _digests(frame)

        def check(rows: Sequence[int]) -> None:
            self.skip_limit.check(name, [frame["path"].iloc[row] for row in rows])

        return open_cache(folder, name, files, self.preprocessing, skip=skip, digests=digests, check=check)

    def _make_views(self, name: str, frame: pd.DataFrame, images: DecodedCache | None) -> ViewDataset:
        train, names = name == "train", self.observations
        layout = self.layouts.get(name, self.layout)  # of "plain", whose targets nobody reads
        if train:
            self.learned_targets = self.labels.read_learned(names)
            if self.learned_targets:
                check_origin(self.learned_targets, self.sources["train"])
            targets = self.labels.apply(frame, names)
        else:  # labels of dev are read from reports, as those of train are
            blank = name == "dev" or layout.from_reports
            targets = Targets(*hard_labels(frame, names, blank_is_negative=blank))
        third = self.labels.three_class(names) if train else ()
        targets = mask_unlabeled(targets, layout.find_unlabeled(frame, names), third)
        return ViewDataset(
            list(frame["path"]),
            list(frame["file"]),
            targets.values,
            targets.mask,
            self.preprocessing,
            self.augmentation if train else None,
            self.seed,
            skip=self.on_missing == "skip",
            random_targets=targets.random_targets,
            cache=images and CachePart(images, frame["image"].to_numpy()),
            digests=_digests(frame),
        )

    def _loader(self, split: str, *, shuffle: bool, start: Start = BEGIN, augmented: bool = True) -> ViewLoader:
        views = copy.copy(self.datasets[split])
        views.augmentation = views.augmentation if augmented else None
        if features := self.features.get(split):
            views = FeatureViews(views, features)
        share = Share(self.trainer.global_rank, self.trainer.world_size) if self.trainer else SINGLE_PROCESS
        return make_loader(
            views,
            batch_size=self.batch_size,
            workers=0 if features else self.num_workers,  # features are there at once
            shuffle=shuffle,
            seed=self.seed,
            share=share,
            start=start,
        )


def _digests(frame: pd.DataFrame) -> list[str] | None:
    return list(frame["sha256"]) if "sha256" in frame else None
