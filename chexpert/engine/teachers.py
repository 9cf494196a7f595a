"""The models that teach: which views each may teach, and its probabilities, from a run's tables or by the model."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded, load, read_checkpoint
from chexpert.config import find_checkpoint
from chexpert.data import CheXpertDataModule, ViewDataset
from chexpert.data.loader import make_loader
from chexpert.data.split import select_held_out
from chexpert.errors import UserError
from chexpert.evaluation import read_predictions
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping
from chexpert.training.model_scores import predict_models

TABLES = ("dev", "train")
"""Predictions of a run on training views; ``train`` is written with ``predict_train=true``."""


@dataclass(frozen=True)
class Teacher:
    """A trained model that teaches.

    Attributes:
        path: run folder or file of weights, as it was given.
        metadata: of its weights.
        digest: SHA-256 of its weights.
    """

    path: Path
    metadata: Mapping[str, Any]
    digest: str

    @property
    def name(self) -> str:
        """Its run, or its file, without the folders above."""
        return self.path.resolve().name

    @property
    def run(self) -> Path | None:
        """Its run folder, whose tables are of these weights; None of another file."""
        return self.path if self.path.is_dir() else None

    @property
    def is_fold(self) -> bool:
        """Whether it held out one of several folds."""
        return self._data.get("folds") is not None and self._data.get("fold") is not None

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.metadata["config"].get("data") or {}

    def select_held_out(self, frame: Any) -> np.ndarray:
        """Return which of these training views its run held out, (N,) bool."""
        data, seed = self._data, self.metadata["config"].get("seed", 0)
        held = select_held_out(frame, data.get("dev"), data.get("folds"), data.get("fold"), seed)
        return frame.index.isin(held.index)

    @cached_property
    def loaded(self) -> Loaded:
        """The model."""
        return load(self.path)


def read_teacher(path: Path, observations: Sequence[str]) -> Teacher:
    """Read what a teacher's weights were trained for.

    Raises:
        UserError: there is none, or it does not put out all observations.
    """
    try:
        find_checkpoint(path)
        metadata, weights = read_checkpoint(path)
    except UserError as error:
        raise UserError(error.message, code=error.code, where=f"distill.teachers: {path}", hint=error.hint) from error
    if missing := [name for name in observations if name not in metadata["observations"]]:
        message = f"this teacher puts out {', '.join(metadata['observations'])}, and no {', '.join(missing)}"
        hint = "teachers of these observations, or fewer observations"
        raise UserError(message, code="other-observations", where=f"distill.teachers: {path}", hint=hint)
    return Teacher(path, metadata, hash_weights(weights))


def hash_weights(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256, in hex, of names and values: equal for a checkpoint and its exported weights."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {tuple(weights[name].shape)} {weights[name].dtype}\n".encode())
        digest.update(weights[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def predict_teacher(
    teacher: Teacher, data: CheXpertDataModule, wanted: np.ndarray, device: torch.device
) -> tuple[np.ndarray, int]:
    """Return a teacher's probabilities of the training views, and how many of them were read from its run's tables.

    Args:
        teacher: the model.
        data: of the run that is taught.
        wanted: (N,) bool, of its training views.
        device: on which the model computes.

    Returns:
        (N, C) float64; NaN where none is wanted, and of views that cannot be read (``data.on_missing=skip``).
    """
    frame, names = data.frames["train"], data.observations
    found = np.full((len(frame), len(names)), np.nan)
    for split in TABLES if teacher.run else ():
        for row, values in read_table(teacher, split, frame, names):
            if wanted[row]:
                found[row] = values
    read = int((~np.isnan(found[:, 0])).sum())
    rows = np.flatnonzero(wanted & np.isnan(found[:, 0]))
    if len(rows):
        found[rows] = compute(teacher, data, rows, device)
    return found, read


def read_table(
    teacher: Teacher, split: str, frame: Any, observations: Sequence[str]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield rows of the training views, with the probabilities that the teacher's run wrote for them.

    A table of other images of the same names is not read: its run's digests of images are compared.
    """
    assert teacher.run is not None
    file = run_files.predictions(teacher.run, split)
    if not file.is_file() or not shows_same_images(teacher.run, split, frame):
        return
    table = read_predictions(file)
    if table.key != "Path" or any(name not in table.columns for name in observations):
        return
    places = {run_files.view_name(name): place for place, name in enumerate(table.names)}
    scores = np.column_stack([table.columns[name] for name in observations])
    for row, key in enumerate(frame["key"]):
        if (place := places.get(run_files.view_name(key))) is not None:
            yield row, scores[place]


def shows_same_images(run: Path, split: str, frame: Any) -> bool:
    """Return whether sampled images of a run's split have the same bytes here; False where none is here."""
    splits = read_mapping(run / run_files.DATA).get("splits", {})
    sampled = splits.get(split, {}).get("content", {}).get("images", {})
    files = dict(zip(frame["key"], frame["file"], strict=True))
    shared = [key for key in sampled if key in files]
    try:
        return bool(shared) and all(
            hashlib.sha256(Path(files[key]).read_bytes()).hexdigest() == sampled[key] for key in shared
        )
    except OSError:
        return False


def compute(teacher: Teacher, data: CheXpertDataModule, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """Return probabilities (n, C) of some training views, by one pass over the model in its own preprocessing."""
    frame, loaded = data.frames["train"].iloc[rows], teacher.loaded
    empty = np.zeros((len(rows), 1), "float32")
    views = ViewDataset(
        list(frame["path"]), list(frame["file"]), empty, empty.astype(bool), loaded.preprocessing,
        skip=data.on_missing == "skip", digests=list(frame["sha256"]) if "sha256" in frame else None,
    )  # fmt: skip
    size = min(data.batch_size, int(loaded.config.get("data", {}).get("batch_size", 16)))
    loader = make_loader(views, batch_size=size, workers=data.num_workers, shuffle=False, seed=0)
    names, (scores,) = predict_models([loaded.model.eval().to(device)], loader)
    loaded.model.cpu()
    columns = [loaded.observations.index(name) for name in data.observations]
    found = np.full((len(rows), len(columns)), np.nan)
    places = {path: place for place, path in enumerate(frame["path"])}
    for name, own in zip(names, scores, strict=True):
        found[places[name]] = own[columns]
    if np.isinf(found).any():
        raise UserError("a teacher puts out infinity", code="nan", where=str(teacher.path), hint="leave it out")
    return found
