"""Patients held out of the training set: a development split, or one of k folds.

A patient is held out by a hash of seed and patient alone. So no patient is ever divided, and a patient stays where it
is when rows are added, removed or reordered; shares are met on average, not exactly.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from chexpert.data.random_streams import unit_sample
from chexpert.errors import UserError


def place_patients(patients: pd.Series, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each row, equal for all rows of a patient: (N,) float64."""
    names, rows = np.unique(patients.to_numpy(dtype=str), return_inverse=True)
    return np.array([unit_sample(seed, name, "split") for name in names])[rows]


def check_folds(frame: pd.DataFrame, folds: int | None) -> None:
    """Check that there are not more folds than patients: some would hold nobody out.

    Raises:
        UserError: there are more.
    """
    patients = frame["patient"].nunique()
    if folds is not None and folds > patients:
        hint = f"data.folds={min(5, patients)}, at most one of {patients} patients each"
        raise UserError(f"{folds} folds of {patients} patients", code="too-few", where="data.folds", hint=hint)


def hold_out(frame: pd.DataFrame, low: float, high: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that are kept for training, and those of the patients placed in [low, high).

    Raises:
        UserError: one of the two has no row.
    """
    place = place_patients(frame["patient"], seed)
    held = (low <= place) & (place < high)
    if held.all() or not held.any():
        kept = "nobody to train on" if held.all() else "nobody held out"
        message = f"a share of {high - low:.3g} of the {frame['patient'].nunique()} training patients leaves {kept}"
        hint = "another share (data.dev=0.2, or fewer data.folds), or another seed, by which patients are chosen"
        raise UserError(message, code="too-few", where="data.dev, data.folds", hint=hint)
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def held_range(dev: float | None, folds: int | None, fold: int | None) -> tuple[float, float] | None:
    """Return the range of patients that is held out: a share ``dev``, fold ``fold`` of ``folds``, or none.

    >>> held_range(0.1, None, None), held_range(None, 5, 1), held_range(None, None, None)
    ((0.0, 0.1), (0.2, 0.4), None)
    """
    if folds is not None and fold is not None:
        return fold / folds, (fold + 1) / folds
    return None if dev is None else (0.0, dev)


def select_held_out(
    frame: pd.DataFrame, dev: float | None, folds: int | None, fold: int | None, seed: int
) -> pd.DataFrame:
    """Return the rows of the patients that a run with these settings holds out; none without such settings."""
    low, high = held_range(dev, folds, fold) or (0.0, 0.0)
    place = place_patients(frame["patient"], seed)
    return frame[(low <= place) & (place < high)]


def join_parts(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return all training rows, those that are held out among them, in the order of the table."""
    parts = [frames[split] for split in ("train", "dev") if split in frames]
    return pd.concat(parts).sort_values("image", ignore_index=True)
