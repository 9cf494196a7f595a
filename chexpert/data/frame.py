"""From a CheXpert CSV to a tidy table: one row a view, columns by name, labels in {1, 0, -1, NaN}."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.observations import OBSERVATIONS
from chexpert.problem import ProblemError

FOLDERS = {
    "small": ("CheXpert-v1.0-small", "chexpert/v1.0-small"),
    "full": ("CheXpert-v1.0", "chexpert/v1.0"),
}
"""Where each variant lies under the root: as Stanford unpacks it, and as ooodmt/MLMIP renamed it."""

HEADER = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS)
VIEWS = ("frontal", "lateral", "all")

# CheXpert writes floats; integers are what a spreadsheet makes of them. Blank is not negative: it stays NaN.
LABELS = {"": np.nan, "1.0": 1.0, "0.0": 0.0, "-1.0": -1.0, "1": 1.0, "0": 0.0, "-1": -1.0}
# Only these parts place a file: the prefix differs between copies, and the base name occurs 187,625 times.
PLACE = re.compile(
    r"(?:^|/)(?P<split>train|valid|test)/(?P<patient>patient\d+)/(?P<study>study\d+)/(?P<view>view\d+_[a-z]+)\.jpg$"
)


def find_folder(root: str | Path, variant: str) -> Path:
    """The folder of a variant that holds its CSV files, looked for under ``root`` and at ``root`` itself.

    Raises:
        ProblemError: no such root, or none of the variant's folders in it.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise ProblemError(
            "the data root is not a folder",
            where=f"data.root={root}",
            mend="give the folder that holds CheXpert: data.root=... or the environment variable CHEXPERT_ROOT",
        )
    candidates = [root / name for name in FOLDERS[variant]]
    if any(
        path.as_posix().endswith(f"/{name}") for path in (root.absolute(), root.resolve()) for name in FOLDERS[variant]
    ):
        candidates.append(root)
    for folder in candidates:
        if (folder / "train.csv").is_file():
            return folder
    raise ProblemError(
        f"no {variant} CheXpert there: looked for train.csv in " + ", ".join(map(str, candidates)),
        where=f"data.root={root}",
        mend="point data.root at the folder above it, or choose another variant (data=small, data=full)",
    )


def read_frame(path: Path) -> pd.DataFrame:
    """Reads train.csv or valid.csv, by column name, every row of it.

    Returns:
        One row a view, in file order: ``path`` (as the CSV has it), ``key`` (``train/patient.../study.../view``,
        equal in every copy of CheXpert), ``split, patient, study, view``, ``projection`` (frontal_ap,
        frontal_pa, frontal, lateral), ``sex``, ``age``, and the 14 observations as float in {1, 0, -1, NaN}.

    Raises:
        ProblemError: with file, line and column of the first thing that is not CheXpert.
    """
    rows = _read_rows(path)
    table = pd.DataFrame(rows, columns=list(HEADER), dtype=str)
    places = table["Path"].str.extract(PLACE)
    _refuse(
        path,
        table["Path"],
        places["patient"].isna(),
        "Path is not .../<split>/patientN/studyN/viewN_kind.jpg",
    )
    key = places["split"] + "/" + places["patient"] + "/" + places["study"] + "/" + places["view"]
    _refuse(path, table["Path"], key.duplicated(), "this view is listed twice")
    frame = pd.DataFrame({"path": table["Path"], "key": key, **places})
    frame["projection"] = _projection(path, table)
    frame["sex"], frame["age"] = table["Sex"], pd.to_numeric(table["Age"], errors="coerce")
    for name in OBSERVATIONS:
        frame[name] = _labels(path, table[name])
    return frame


def select_views(frame: pd.DataFrame, views: str) -> pd.DataFrame:
    """The frontal, the lateral or all rows; AP/PA plays no part, since it is LL or RL in 17 frontal rows."""
    if views == "all":
        return frame
    kind = frame["projection"].str.split("_").str[0]
    return frame[kind == views].reset_index(drop=True)


def _read_rows(path: Path) -> list[list[str]]:
    """The data rows with their columns in the order of HEADER; short and long lines are refused, not shifted."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ProblemError(f"the table cannot be read: {error}", where=str(path), mend="restore the file") from error
    missing, unknown = sorted(set(HEADER) - set(header)), sorted(set(header) - set(HEADER))
    if missing or unknown or len(header) != len(HEADER):
        found = [f"no column {name!r}" for name in missing] + [f"unknown column {name!r}" for name in unknown]
        raise ProblemError(
            "not CheXpert's columns: " + (", ".join(found) or "a column stands twice"),
            where=f"{path}, line 1",
            mend="restore CheXpert's own header (19 names, any order)",
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(HEADER):
            raise ProblemError(
                f"{len(row)} fields instead of {len(HEADER)}",
                where=f"{path}, line {number}",
                mend="correct the line",
            )
    order = [header.index(name) for name in HEADER]
    return [[row[i] for i in order] for row in rows]


def _labels(path: Path, column: pd.Series) -> pd.Series:
    labels = column.map(LABELS)
    _refuse(path, column, ~column.isin(list(LABELS)), f"a label of {column.name} is not blank, -1, 0 or 1")
    return labels.astype("float32")


def _projection(path: Path, table: pd.DataFrame) -> pd.Series:
    kind = table["Frontal/Lateral"].str.lower()
    _refuse(path, table["Frontal/Lateral"], ~kind.isin(["frontal", "lateral"]), "neither Frontal nor Lateral")
    suffix = table["AP/PA"].str.lower().map({"ap": "_ap", "pa": "_pa"}).fillna("")
    return kind + suffix.where(kind == "frontal", "")


def _refuse(path: Path, column: pd.Series, wrong: pd.Series, what: str) -> None:
    """Raises for the first wrong row: its line counts from 1 and the header is line 1."""
    if wrong.any():
        row = int(np.flatnonzero(wrong.to_numpy())[0])
        more = int(wrong.sum()) - 1
        raise ProblemError(
            f"{what}: {column.iloc[row]!r}" + (f" (and {more} more such rows)" if more else ""),
            where=f"{path}, line {row + 2}, column {column.name}",
            mend="correct the row, or restore the file as Stanford gives it",
        )
