"""The most similar images of other patients: by pooled features of a trained model, or by small thumbnails."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from chexpert.checkpoints import load
from chexpert.console import NOTE, log
from chexpert.data import Preprocessing
from chexpert.errors import UserError
from chexpert.inference.opened_run import prepare
from chexpert.models.pooled_features import pool_batch
from chexpert.runs import files as run_files

THUMBNAIL = 32
"""Pixels on each side of a thumbnail that is compared."""
BATCH = 16


def compute_features(run: Path, images: Sequence[np.ndarray]) -> tuple[np.ndarray, str]:
    """Return one vector for each image, (N, D), and the name of what they are.

    Args:
        run: the run whose best weights give pooled features; thumbnails take their place where they cannot be loaded.
        images: (H, W) uint8, at the size of the model; of none the vectors have no length either.
    """
    if not len(images):
        return np.empty((0, 0)), "no images"
    try:
        loaded = load(run)
    except UserError as error:
        log.log(NOTE, f"neighbors are found by thumbnails, since the model cannot be loaded: {error.message}")
        return standardize(
            [cv2.resize(one, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA) for one in images]
        ), "thumbnails"
    model, rows = prepare(loaded), []
    for start in range(0, len(images), BATCH):
        batch = torch.from_numpy(np.stack(images[start : start + BATCH]))[:, None]
        rows.append(pool_batch(model, batch).numpy())
    features = np.concatenate(rows)
    return standardize(features - features.mean(axis=0)), f"pooled features of {run_files.BEST}.ckpt"


def standardize(rows: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return rows of length 1 about their own mean, so that a product of two is their correlation."""
    flat = np.stack([np.ravel(row) for row in rows]).astype("float64")
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)


def select_neighbors(
    features: np.ndarray, patients: Sequence[str], queries: Sequence[int], count: int
) -> list[list[int]]:
    """Return the most similar rows of other patients, the nearest first, for each query.

    Args:
        features: (N, D) of length 1.
        patients: of the N rows.
        queries: rows.
        count: neighbors of each.

    >>> select_neighbors(np.array([[1, 0], [1, 0], [0, 1], [-1, 0]]), ["a", "a", "b", "c"], [0], 1)
    [[2]]
    """
    owners = np.asarray(patients)
    found = []
    for query in queries:
        similarity = np.where(owners == owners[query], -np.inf, features @ features[query])
        order = np.argsort(-similarity, kind="stable")[:count]
        found.append([int(row) for row in order if np.isfinite(similarity[row])])
    return found


def read_images(files: Sequence[str], preprocessing: Preprocessing) -> list[np.ndarray | None]:
    """Return images at the size of the model, None for one that cannot be read."""
    return [_read(file, preprocessing) for file in files]


def _read(file: str, preprocessing: Preprocessing) -> np.ndarray | None:
    try:
        return preprocessing.read(file)
    except UserError:
        return None
