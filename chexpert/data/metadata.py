"""What is known of a view without looking for a finding: metadata, and statistics of its gray."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chexpert.data.datamodule import CheXpertDataModule
from chexpert.data.decoding import read_size

METADATA = ("male", "sex unknown", "age", "age unknown", "AP", "PA", "lateral")
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
GRAY = ("mean", "spread", *(f"percentile {q}" for q in PERCENTILES), "dark share of the border", "width", "height")

BORDER = 0.05
"""Share of the side that the border is wide."""
DARK = 16  # of 255: unexposed image and collimation, after JPEG


Circumstances = dict[str, np.ndarray]
"""Sex, age and projection of N views, by name."""


class KnownViews(NamedTuple):
    """N views of a split."""

    names: list[str]
    """Paths as the CSV has them."""
    metadata: np.ndarray
    """(N, 7) float, ``METADATA``."""
    gray: np.ndarray
    """(N, 12) float, ``GRAY``."""
    labels: np.ndarray
    """(N, C) in {1, 0, NaN}: what the run learns from, or is evaluated by; uncertain ones at a half."""


def read_known(data: CheXpertDataModule, split: str, most: int | None = None, seed: int = 0) -> KnownViews:
    """Read metadata, gray statistics and labels of a split's readable views, of ``most`` of them sampled by seed."""
    dataset, frame = data.datasets[split], data.frames[split]
    rows = np.arange(len(dataset))
    if most is not None and len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    kept, gray, names = [], [], []
    for row in rows.tolist():
        batch = dataset[(0, row)]
        if batch.paths:  # otherwise unreadable, and may be skipped
            kept.append(row)
            names.append(batch.paths[0])
            gray.append(
                describe_gray(batch.images[0, 0].numpy(), read_size(Path(dataset.files[row]).read_bytes())[::-1])
            )
    count = len(data.observations)
    values, known = dataset.targets[kept, :count].numpy(), dataset.mask[kept, :count].numpy()
    labels = np.where(known, (values > 0.5).astype("float64"), np.nan)
    return KnownViews(names, describe_metadata(frame.iloc[kept]), np.array(gray).reshape(-1, len(GRAY)), labels)


def measure_ties(data: CheXpertDataModule, observation: str) -> dict[str, float]:
    """Compute phi of each observation that the run learns with another one of the 14, over the training views.

    A blank counts as negative for the other one, whose uncertain labels are left out; NaN where nothing varies.
    """
    dataset, column = data.datasets["train"], data.frames["train"][observation].to_numpy()
    ties = {}
    for c, name in enumerate(data.observations):
        known = dataset.mask[:, c].numpy() & (column != -1)
        pair = np.stack([dataset.targets[:, c].numpy()[known] > 0.5, column[known] == 1]).astype("float64")
        varies = pair.size and (pair.min(1) < pair.max(1)).all()
        ties[name] = float(np.corrcoef(pair)[0, 1]) if varies else float("nan")
    return ties


def describe_metadata(frame: pd.DataFrame) -> np.ndarray:
    """Return the ``METADATA`` of a frame's rows, (N, 7) float: ones and zeros, and years; an unknown age is 0."""
    sex, age, projection = frame["sex"], frame["age"], frame["projection"]
    columns = [
        sex == "Male",
        ~sex.isin(["Male", "Female"]),
        age.fillna(0),
        age.isna(),
        projection == "frontal_ap",
        projection == "frontal_pa",
        projection == "lateral",
    ]
    return np.column_stack([column.to_numpy("float64") for column in columns])


def list_circumstances(frame: pd.DataFrame) -> Circumstances | None:
    """Return ``sex`` and ``projection`` (N,) str and ``age`` (N,) float of a frame's rows; None where no row has them.

    An age of 0 is not known in CheXpert, and becomes NaN; an empty sex is not known.
    """
    if not (frame["sex"] != "").any():
        return None
    age = frame["age"].where(frame["age"] > 0).to_numpy("float64")
    return {"sex": frame["sex"].to_numpy(str), "projection": frame["projection"].to_numpy(str), "age": age}


def describe_gray(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return the ``GRAY`` statistics, (12,) float, of an image (S, S) uint8 as the model sees it.

    ``size`` are the width and height of its file.
    """
    edge = np.ones(image.shape, dtype=bool)
    wide = max(1, round(BORDER * image.shape[0]))
    edge[wide:-wide, wide:-wide] = False
    dark = (image[edge] < DARK).mean()
    return np.array([image.mean(), image.std(), *np.percentile(image, PERCENTILES), dark, *size])
