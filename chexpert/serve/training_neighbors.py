"""The training images that are most like an image, by the pooled features of the model.

Nothing that identifies a patient is shown: an image is called by a salted hash, and its pixels are shown only where the
training images are synthetic.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded
from chexpert.errors import UserError
from chexpert.inference.neighbors import BATCH, read_images, standardize
from chexpert.inference.opened_run import open_config_data, prepare
from chexpert.inference.output_folder import find_home
from chexpert.models.pooled_features import pool_batch
from chexpert.runs.anonymize import SALT, hash_name
from chexpert.serve.pictures import encode_gray

MOST_IMAGES = 1000
"""Training images that are compared with: those of all of CheXpert's would take hours on a CPU."""
COUNT = 5
"""Nearest images that are shown."""
SIDE = 160
"""Pixels along a side of a picture."""
SAME = 1e-4
"""Distance below which two images are one to the model; that of a file and its copy is the error of float32."""
STATES = {1.0: "present", -1.0: "uncertain"}
"""Labels that are shown; an image without any has neither."""


class TrainingNeighbors:
    """Features of training images, computed a batch at a time when they are asked for first.

    Args:
        run: run folder, or file of a checkpoint.
        loaded: its model.
        most: training images that are compared with, a sample by the run's seed.
    """

    def __init__(self, run: Path, loaded: Loaded, most: int = MOST_IMAGES) -> None:
        self.run, self.loaded, self.most = run, loaded, most
        self.files: list[str] = []
        self.names: list[str] = []
        self.labels: list[str] = []
        self.of = 0
        """Training images in all; 0 before they are looked for."""
        self._read, self._features = 0, list[np.ndarray]()
        self._kept: list[int] = []

    @property
    def is_ready(self) -> bool:
        """Whether all features are computed."""
        return self.of > 0 and self._read == len(self.files)

    @property
    def progress(self) -> dict[str, int]:
        """How many images are ``done`` of the ``total``."""
        return {"done": self._read, "total": len(self.files)}

    def describe(self) -> str:
        """Return how images are compared."""
        pixels = "they are synthetic, so their pixels are shown" if self.loaded.synthetic else "no pixels are shown"
        return (
            f"By the model's pooled features, with up to {self.most:,} of the run's training images, sampled. "
            f"Images are called by hashes; {pixels}."
        )

    def read_batch(self) -> None:
        """Compute the features of the next images; those that cannot be read are left out.

        Raises:
            UserError: the training images are not there.
        """
        if not self.of:
            self._open()
        numbers = range(self._read, min(self._read + BATCH, len(self.files)))
        images = read_images([self.files[number] for number in numbers], self.loaded.preprocessing)
        there = [image for image in images if image is not None]
        if there:
            self._features.append(self._pool(there))
        self._kept += [number for number, image in zip(numbers, images, strict=True) if image is not None]
        self._read += len(numbers)

    def compare(self, image: np.ndarray) -> dict[str, Any]:
        """Return the nearest training images of an image (H, W) uint8, the nearest first.

        The distance is 1 less the correlation of the features, from which those of the mean training image are taken.

        Raises:
            UserError: no training image can be read.
        """
        if not self._kept:
            hint = "restore the data of the run"
            raise UserError("no training image can be read", code="missing-image", where="the data", hint=hint)
        known = np.concatenate(self._features)
        mean = known.mean(axis=0)
        rows = standardize(np.concatenate([known, self._pool([image])]) - mean)
        distances = 1 - rows[:-1] @ rows[-1]
        nearest = np.argsort(distances, kind="stable")[:COUNT]
        found = [self._describe(self._kept[row], float(max(0.0, distances[row]))) for row in nearest]
        which = f"{len(self._kept):,} of {self.of:,} training images"
        same = " The image, or one like it to the model, is a training image." if found[0]["distance"] < SAME else ""
        text = f"The {len(found)} nearest of {which}; distance 0: the same image, 1: unrelated.{same}"
        return {"neighbors": found, "text": text}

    def _open(self) -> None:
        """List a sample of the training images; their tables may take seconds."""
        if "data" not in self.loaded.config:
            message, hint = "exported weights do not hold the data of their run", "give the run folder instead"
            raise UserError(message, code="missing-run", where=str(self.run), hint=hint)
        config = self.loaded.config | {"observations": self.loaded.observations}
        data = open_config_data(config, None, hint="restore them", learned=True, test=False, policy=False)
        if "train" not in data.frames:
            message, hint = "the training images are not there", "restore them"
            raise UserError(message, code="missing-image", where=str(data.root), hint=hint)
        frame = data.frames["train"]
        chosen = np.sort(np.random.default_rng(self.loaded.config["seed"]).permutation(len(frame))[: self.most])
        sample, self.of = frame.iloc[chosen], len(frame)
        salt = read_own_salt(find_home(self.run))
        self.files = list(sample["file"])
        self.names = [hash_name(path, salt) for path in sample["path"]]
        values = sample[list(self.loaded.observations)].to_numpy("float64")
        self.labels = [describe_labels(self.loaded.observations, row) for row in values]

    def _pool(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return pool_batch(prepare(self.loaded), torch.from_numpy(np.stack(images))[:, None]).numpy()

    def _describe(self, number: int, distance: float) -> dict[str, Any]:
        found: dict[str, Any] = {"id": self.names[number], "distance": distance, "labels": self.labels[number]}
        if self.loaded.synthetic:
            (image,) = read_images([self.files[number]], self.loaded.preprocessing)
            found["image"] = None if image is None else encode_gray(image, SIDE)
        return found


def describe_labels(names: Sequence[str], row: np.ndarray) -> str:
    """Return the labels of an image that are present or uncertain, of values (C,) in {1, 0, -1, NaN}.

    >>> describe_labels(["Edema", "Fracture", "Pneumonia"], np.array([1.0, -1.0, np.nan]))
    'Edema present, Fracture uncertain'
    """
    found = [f"{name} {STATES[value]}" for name, value in zip(names, row.tolist(), strict=True) if value in STATES]
    return ", ".join(found)


def read_own_salt(home: Path) -> str:
    """Return the salt of a run, or one of this process: the viewer writes no file."""
    path = home / SALT
    return path.read_text(encoding="utf-8").strip() if path.is_file() else secrets.token_hex(16)
