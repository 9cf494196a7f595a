"""Fit the gate of a model on its training images."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chexpert.console import show_progress
from chexpert.data import CheXpertDataModule, Preprocessing, ViewDataset
from chexpert.data.loader import make_loader
from chexpert.data.sources.frame import select_views
from chexpert.errors import UserError
from chexpert.gate.feature_distance import fit_distance
from chexpert.gate.gate import Gate
from chexpert.gate.thumbnails import make_thumbnails
from chexpert.gate.view_check import LATERAL, fit_view_check
from chexpert.models import Model
from chexpert.models.pooled_features import pool_batch

MOST_IMAGES, MOST_HELD_OUT, MOST_LATERALS = 1000, 500, 500
"""That a gate is fitted on; more of them make the end of a run longer and the limits hardly better."""
LEAST_IMAGES, LEAST_PATIENTS = 20, 5


class TooFewImagesError(UserError):
    """A run has too few training images, or patients, for a gate."""


@dataclass(frozen=True)
class Sample:
    """What is kept of some images: thumbnails (N, SIDE, SIDE), pooled features (N, D), and the patient of each."""

    thumbnails: np.ndarray
    features: np.ndarray
    patients: list[str]


def fit_gate(
    model: Model, data: CheXpertDataModule, *, weights: str, method: str, batch_size: int, workers: int
) -> Gate:
    """Fit a gate; the model, and the state of every random generator, stay as they are.

    Args:
        model: with the weights that the gate is for, on its device.
        data: of the run, with its training images.
        weights: digest of the weights.
        method: distance in the features: ``mahalanobis`` or ``knn``.
        batch_size: images a pass.
        workers: processes that read images.

    Raises:
        TooFewImagesError: there are no training images, or fewer than 20 of 5 patients.
        UserError: an image cannot be read.
    """
    start, seed, loading = time.monotonic(), data.seed, {"batch_size": batch_size, "workers": workers}
    if "train" not in data.frames:
        raise _too_few("the run has no training images")
    training, patients = _sample(data.frames["train"], MOST_IMAGES, seed), data.frames["train"]["patient"].nunique()
    check_enough(len(training), patients)
    held_split = data.selection_split or "valid"
    laterals = read_laterals(data)
    trained = model.training
    model.eval()
    try:
        known = _read(model, data, training, "fitting the gate", **loading)
        held_out = _read(model, data, _sample(data.frames[held_split], MOST_HELD_OUT, seed), "its limit", **loading)
        seen = _read(None, data, laterals, "laterals", **loading)
    finally:
        model.train(trained)
    check_enough(len(known.patients), len(set(known.patients)))  # without those that could not be read
    try:
        view = fit_view_check(known.thumbnails, known.patients, seen.thumbnails, seen.patients, seed)
        distance = fit_distance(method, known.features, known.patients, held_out.features, seed)
    except ValueError as error:  # as where all features are constant
        raise _too_few(str(error)) from error
    facts = {
        "images": len(known.patients),
        "held_out": len(held_out.patients),
        "held_split": held_split,
        "laterals": len(seen.patients) if LATERAL in view.kinds else 0,
        "seconds": round(time.monotonic() - start, 1),
    }
    return Gate(weights, view, distance, facts)


def check_enough(images: int, patients: int) -> None:
    """Raise an error if a gate cannot be fitted on so few."""
    if images < LEAST_IMAGES or patients < LEAST_PATIENTS:
        raise _too_few(f"{images} training images of {patients} patients")


def _too_few(message: str) -> TooFewImagesError:
    hint = f"train on {LEAST_IMAGES} images of {LEAST_PATIENTS} patients or more; or gate=null"
    return TooFewImagesError(f"no gate: {message}", code="too-few", where="gate", hint=hint)


def read_laterals(data: CheXpertDataModule) -> pd.DataFrame:
    """Return the laterals of the training table whose images are there, with ``file``, in seeded order; at most 500.

    None of a run that has learned from laterals: it takes them.
    """
    nothing = data.frames["train"][:0]
    if data.views != "frontal":
        return nothing
    try:
        listed = select_views(data.layout.read("train", data.labeler), "lateral")
        listed = listed.iloc[np.random.default_rng(data.seed).permutation(len(listed))[:MOST_LATERALS]]
        if listed.empty:
            return nothing
        files, present = data.layout.find(listed)
    except UserError:  # the tables were read before: only the place of the images is wrong, as where one batch is there
        return nothing
    return listed.assign(file=files)[present]


def _sample(frame: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    rows = np.random.default_rng(seed).permutation(len(frame))[:most]
    return frame.iloc[np.sort(rows)]


def _read(model: Model | None, data: CheXpertDataModule, frame: pd.DataFrame, title: str, **loading: Any) -> Sample:
    """Read images and, where there is a model, compute their features; what cannot be read is left out."""
    patients, thumbnails, features = list(frame["patient"]), list[np.ndarray](), list[np.ndarray]()
    kept: list[str] = []
    if len(frame):
        digests = list(frame["sha256"]) if "sha256" in frame else None
        views = make_views(list(frame["file"]), data.preprocessing, digests)
        loader = make_loader(views, shuffle=False, seed=data.seed, **loading)
        for batch in show_progress(loader, title, len(frame), each=loading["batch_size"]):
            if not batch.paths:
                continue
            kept += [patients[int(row)] for row in batch.paths]
            thumbnails.append(make_thumbnails(batch.images[:, 0].numpy()))
            if model is not None:
                features.append(pool_batch(model, batch.images).numpy())
    found = np.concatenate(features) if features else np.zeros((0, 0))
    if not np.isfinite(found).all():
        hint = "take another checkpoint of the run"
        raise UserError("the features are NaN or infinity", code="nan", where="the checkpoint", hint=hint)
    return Sample(np.concatenate([make_thumbnails(np.zeros((0, 1, 1))), *thumbnails]), found, kept)


def make_views(files: Sequence[str], preprocessing: Preprocessing, digests: Sequence[str] | None = None) -> ViewDataset:
    """Return image files as a dataset without labels, in which they are called by their number."""
    nothing = np.zeros((len(files), 0), np.float32)
    names = [str(number) for number in range(len(files))]
    return ViewDataset(names, files, nothing, nothing.astype(bool), preprocessing, skip=True, digests=digests)
