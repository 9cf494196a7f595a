"""CheXpert Plus (Chambon et al. 2024, arxiv.org/abs/2405.19538): its table, and its labels as JSON lines.

Only the columns that CheXpert has are read: reports, race, insurance and the like never enter the program.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.observations import OBSERVATIONS
from chexpert.problem import ProblemError

SECTIONS = ("impression", "findings", "report")
"""Sections of the report that CheXbert labelled; CheXpert's own labels are of the impression."""

COLUMNS = {"path_to_image": "path", "frontal_lateral": "kind", "ap_pa": "position", "age": "age", "sex": "sex"}
PLACE = (
    r"(?P<split>train|valid|test)/(?P<patient>patient[0-9]{5})/(?P<study>study[1-9][0-9]*)/"
    r"(?P<view>view[1-9][0-9]*_(?:frontal|lateral))\.(?:jpg|png)"
)


def find_table(root: Path) -> Path | None:
    """df_chexpert_plus_240401.csv, or that of another date."""
    return max(root.glob("df_chexpert_plus_*.csv"), default=None)


def find_labellers(root: Path) -> dict[str, Path]:
    """The label files by section of the report."""
    found = {section: root / "chexbert_labels" / f"{section}_fixed.json" for section in SECTIONS}
    return {section: path for section, path in found.items() if path.is_file()}


def read_plus(table: Path, labellers: Mapping[str, Path], section: str | None, split: str) -> pd.DataFrame:
    """The views of a split with CheXbert's labels of a section, as :func:`chexpert.data.frame.read_frame` gives them.

    Raises:
        ProblemError: a column, a label file or the labels of a view are missing, or something is not as it should be.
    """
    frame = _read_views(table)
    frame = frame[frame["split"] == split].reset_index(drop=True)
    section = section or SECTIONS[0]
    if section not in labellers:
        what = f"no labels of {section!r} there; there is {', '.join(labellers) or 'none'}"
        expected = f"chexbert_labels/{section}_fixed.json" if section in SECTIONS else f"one of {', '.join(SECTIONS)}"
        raise ProblemError(what, where=f"data.labeller, {table.parent}", mend=f"expected {expected}")
    labels = _read_labels(labellers[section])
    keys = [path.rpartition(".")[0] for path in frame["path"]]
    absent = [key for key in keys if key not in labels]
    if absent:
        what = f"no labels for {len(absent)} of {len(keys)} views, the first: {absent[0]}"
        raise ProblemError(what, where=str(labellers[section]), mend="restore the file")
    values = np.array([labels[key] for key in keys], dtype="float32").reshape(len(keys), len(OBSERVATIONS))
    return frame.assign(**{name: values[:, column] for column, name in enumerate(OBSERVATIONS)})


def _read_views(table: Path) -> pd.DataFrame:
    """One row a view without its labels; pandas reads it, for the reports hold commas, quotes and line breaks."""
    try:
        rows = pd.read_csv(table, usecols=list(COLUMNS), dtype=str, keep_default_na=False).rename(columns=COLUMNS)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        mend = "restore the file as Stanford gives it"
        raise ProblemError(f"the table cannot be read: {error}", where=str(table), mend=mend) from error
    places = rows["path"].str.extract(f"^{PLACE}$")
    kinds = rows["kind"].str.lower()
    age = pd.to_numeric(rows["age"].replace("", "nan"), errors="coerce")
    _refuse(table, rows, "path", places["view"].isna(), "not <split>/patientNNNNN/studyN/viewN_kind.jpg")
    _refuse(table, rows, "path", rows["path"].duplicated(), "this view is listed twice")
    _refuse(table, rows, "kind", kinds != places["view"].str.partition("_")[2], "not what the name of the view says")
    _refuse(table, rows, "age", age.isna() & (rows["age"] != ""), "not a number of years")
    position = rows["position"].str.lower().where(kinds == "frontal", "")
    projection = kinds + ("_" + position).where(position.isin(["ap", "pa", "ll", "rl"]), "")
    key = rows["path"].str.rpartition(".")[0]
    return pd.DataFrame(
        {"path": rows["path"], "key": key, **places, "projection": projection, "sex": rows["sex"], "age": age}
    )


def _refuse(table: Path, rows: pd.DataFrame, column: str, wrong: pd.Series, what: str) -> None:
    if wrong.any():
        first = int(np.flatnonzero(wrong.to_numpy())[0])
        name = next(name for name, short in COLUMNS.items() if short == column)
        where = f"{table}, record {first + 1}, column {name}"
        raise ProblemError(f"{what}: {rows[column].iloc[first]!r}", where=where, mend="restore the file")


def _read_labels(path: Path) -> dict[str, list[float]]:
    """The 14 labels by place of the view; null is blank."""
    labels: dict[str, list[float]] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            try:
                entry = json.loads(line)
                values = [np.nan if entry[name] is None else float(entry[name]) for name in OBSERVATIONS]
                place = str(entry["path_to_image"]).rpartition(".")[0]
            except (ValueError, TypeError, KeyError) as error:
                what = f"not a view's labels: {type(error).__name__} {error}"
                raise ProblemError(what, where=where, mend="restore the file") from error
            for name, value in zip(OBSERVATIONS, values, strict=True):
                if value not in (-1, 0, 1) and not np.isnan(value):
                    what = f"a label of {name} is not null, -1, 0 or 1: {value}"
                    raise ProblemError(what, where=where, mend="restore the file")
            if place in labels:
                raise ProblemError(f"this view is listed twice: {place}", where=where, mend="restore the file")
            labels[place] = values
    return labels
