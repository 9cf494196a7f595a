"""Targets from a first run's predictions (U-SelfTrained of Irvin et al. 2019), joined by view, never by order."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.errors import ProblemError
from chexpert.runs import files as run_files
from chexpert.tables.csv_text import NUMBER, read_records

KEY = "labels.predictions"
MEND = "a run of labels=ignore predict_train=true with the same data.views and observations writes them"


def find_predictions(predictions: str | Path | None) -> Path:
    """The file that is meant: a run folder's predictions/train.csv, or the file itself.

    Raises:
        ProblemError: none is named, or it is not there.
    """
    if predictions is None:
        raise ProblemError("self_trained needs the predictions of a first run", where=KEY, mend=f"{KEY}=RUN; {MEND}")
    if not isinstance(predictions, str | Path):
        raise ProblemError(f"{predictions!r} is not possible", where=KEY, mend=f"a run folder or a file; {MEND}")
    path = Path(predictions)
    file = run_files.predictions(path, "train") if path.is_dir() else path
    if not file.is_file():
        raise ProblemError(f"no predictions on the training views: {file}", where=KEY, mend=MEND)
    return file


def read_targets(file: Path, keys: Sequence[str], observations: Sequence[str], wanted: np.ndarray) -> np.ndarray:
    """Probabilities of the wanted entries, in their order row by row.

    Args:
        file: Path and one probability column per observation.
        keys: of the N views; patient, study and view count, so that copies of CheXpert have the same.
        observations: names of C columns.
        wanted: (N, C) bool.

    Returns:
        One probability for each wanted entry; NaN for a view that the first run says it could not read.

    Raises:
        ProblemError: a wanted view or observation is not there, or has no probability.
    """
    table = _read(file)
    absent = [name for name, some in zip(observations, wanted.T, strict=True) if some.any() and name not in table]
    rows = np.flatnonzero(wanted.any(axis=1)).tolist()
    views = [run_files.view_name(keys[row]) for row in rows]
    places = table.index.get_indexer(pd.Index(views))
    skipped = _read_skipped(file)
    unseen = [view for view, place in zip(views, places, strict=True) if place < 0 and view not in skipped]
    if absent or unseen:
        what = [f"no column {name!r}" for name in absent]
        what += [f"{len(unseen)} of {len(views)} views are not there, the first: {unseen[0]}"] if unseen else []
        raise ProblemError("these predictions are of other data: " + "; ".join(what), where=str(file), mend=MEND)
    found = table.reindex(columns=list(observations)).to_numpy(float)[places][wanted[rows]]
    missing = np.repeat(places < 0, wanted[rows].sum(axis=1))
    found[missing] = np.nan
    if not (missing | ((found >= 0) & (found <= 1))).all():
        raise ProblemError("not all predictions are probabilities", where=str(file), mend=MEND)
    return found


def _read_skipped(file: Path) -> set[str]:
    """Views that the run of these predictions could not read, as its metrics.json lists them."""
    metrics = file.parent.parent / run_files.METRICS
    listed = json.loads(metrics.read_text(encoding="utf-8")).get("skipped", []) if metrics.is_file() else []
    return {run_files.view_name(path) for path in listed}


def _read(file: Path) -> pd.DataFrame:
    """The table with views as its index."""
    records = read_records(file)
    if records.header.count("Path") != 1:
        what = "the predictions cannot be read: no column Path, or two"
        raise ProblemError(what, where=f"{file}, line 1", mend=MEND)
    names = [run_files.view_name(path.replace("\\", "/")) for path in records.column("Path")]
    columns = {name: list(map(_read_number, records.column(name))) for name in {*records.header} - {"Path"}}
    table = pd.DataFrame(columns, index=pd.Index(names, dtype="str"))
    records.notes.tell()
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise ProblemError(f"a view stands twice: {twice}", where=str(file), mend=MEND)
    return table


def _read_number(cell: str) -> float:
    """NaN for what is no number: it is told where it is wanted."""
    return float(cell) if NUMBER.fullmatch(cell) else np.nan
