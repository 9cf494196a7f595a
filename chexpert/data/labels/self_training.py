"""Targets from a first run's predictions (U-SelfTrained of Irvin et al. 2019), joined by view, never by order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.errors import UserError
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping
from chexpert.tables.csv_text import NUMBER, read_records

KEY = "labels.predictions"
HINT = "a run of labels=ignore predict_train=true with the same data.views and observations writes them"


def find_predictions(predictions: str | Path | None) -> Path:
    """Return the file of predictions: a run folder's predictions/train.csv, or the file itself.

    Raises:
        UserError: none is named, or it is not there.
    """
    if predictions is None:
        raise UserError(
            "self_trained needs the predictions of a first run",
            code="missing-argument",
            where=KEY,
            hint=f"{KEY}=RUN; {HINT}",
        )
    if not isinstance(predictions, str | Path):
        raise UserError(
            f"{predictions!r} is not possible", code="value", where=KEY, hint=f"a run folder or a file; {HINT}"
        )
    path = Path(predictions)
    file = run_files.predictions(path, "train") if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"no predictions on the training views: {file}", code="missing-file", where=KEY, hint=HINT)
    return file


def read_targets(file: Path, keys: Sequence[str], observations: Sequence[str], wanted: np.ndarray) -> np.ndarray:
    """Read probabilities of the wanted entries, in their order row by row.

    Args:
        file: Path and one probability column per observation.
        keys: of the N views; patient, study and view count, so that copies of CheXpert have the same.
        observations: names of C columns.
        wanted: (N, C) bool.

    Returns:
        One probability for each wanted entry; NaN for a view that the first run says it could not read.

    Raises:
        UserError: a wanted view or observation is not there, or has no probability.
    """
    table = _read(file)
    absent = [name for name, some in zip(observations, wanted.T, strict=True) if some.any() and name not in table]
    rows = np.flatnonzero(wanted.any(axis=1)).tolist()
    views = [run_files.view_name(keys[row]) for row in rows]
    places = table.index.get_indexer(pd.Index(views))
    skipped = _read_skipped(file)
    unseen = [view for view, place in zip(views, places, strict=True) if place < 0 and view not in skipped]
    if absent or unseen:
        messages = [f"no column {name!r}" for name in absent]
        messages += [f"{len(unseen)} of {len(views)} views are not there, the first: {unseen[0]}"] if unseen else []
        raise UserError(
            "these predictions are of other data: " + "; ".join(messages), code="other-data", where=str(file), hint=HINT
        )
    found = table.reindex(columns=list(observations)).to_numpy(float)[places][wanted[rows]]
    missing = np.repeat(places < 0, wanted[rows].sum(axis=1))
    found[missing] = np.nan
    if not (missing | ((found >= 0) & (found <= 1))).all():
        raise UserError("not all predictions are probabilities", code="not-probability", where=str(file), hint=HINT)
    return found


def _read_skipped(file: Path) -> set[str]:
    """Views that the run of these predictions could not read, as its metrics.json lists them."""
    metrics = file.parent.parent / run_files.METRICS
    listed = read_mapping(metrics).get("skipped", [])
    return {run_files.view_name(path) for path in listed}


def _read(file: Path) -> pd.DataFrame:
    """The table with views as its index."""
    records = read_records(file)
    if records.header.count("Path") != 1:
        message = "the predictions cannot be read: no column Path, or two"
        raise UserError(message, code="missing-column", where=f"{file}, line 1", hint=HINT)
    names = [run_files.view_name(path.replace("\\", "/")) for path in records.column("Path")]
    columns = {name: list(map(_read_number, records.column(name))) for name in {*records.header} - {"Path"}}
    table = pd.DataFrame(columns, index=pd.Index(names, dtype="str"))
    records.notes.print()
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise UserError(f"a view stands twice: {twice}", code="repeated", where=str(file), hint=HINT)
    return table


def _read_number(cell: str) -> float:
    """Return NaN for a cell that is no number; its reader reports it."""
    return float(cell) if NUMBER.fullmatch(cell) else np.nan
