"""From CheXpert's tables to one tidy frame: one row a view, columns by name, labels in {1, 0, -1, NaN}."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chexpert.observations import OBSERVATIONS
from chexpert.problem import ProblemError
from chexpert.table import Table, read_table

CIRCUMSTANCES = ("Sex", "Age", "Frontal/Lateral", "AP/PA")
HEADER = ("Path", *CIRCUMSTANCES, *OBSERVATIONS)
TEXT = ("path", "key", "split", "patient", "study", "view", "projection", "sex")
"""The columns of a frame that are strings, of a frame without a row too."""

SPLITS = ("train", "valid", "test")
VIEWS = ("frontal", "lateral", "all")

# CheXpert writes floats; integers are what a spreadsheet makes of them. Blank is not negative: it stays NaN.
LABELS = {"": np.nan, "1.0": 1.0, "0.0": 0.0, "-1.0": -1.0, "1": 1.0, "0": 0.0, "-1": -1.0}
SEXES = ("Male", "Female", "Unknown")  # Unknown: one patient
AGES = frozenset(map(str, range(121)))  # CheXpert's own: 0 (three times), 18 to 90
PROJECTIONS = {
    "Frontal AP": "frontal_ap",
    "Frontal PA": "frontal_pa",
    "Frontal LL": "frontal_ll",  # 16 rows of train.csv
    "Frontal RL": "frontal_rl",  # one row
    "Lateral ": "lateral",
}
# Only these parts place a file, between / or, in a flat copy, _. The prefix differs between copies, and the base name
# occurs 187,625 times.
PLACE = re.compile(
    r"((?:.+/)?)(patient[0-9]{5})[/_](study[1-9][0-9]*)[/_](view[1-9][0-9]*_(?:frontal|lateral))\.jpg", re.DOTALL
)
VIEW = re.compile("view[1-9][0-9]*_(?:frontal|lateral)")
# What stands before: no part of it may be empty, absolute, or lead upwards.
HEAD = re.compile(r"(?P<prefix>(?:[A-Za-z0-9_-][A-Za-z0-9 ._&()-]*/)*?)(?:(?P<split>train|valid|test)/)?")
STUDY = re.compile(r"^(?:CheXpert-v1\.0/)?test/(?P<patient>patient[0-9]{5})/(?P<study>study[1-9][0-9]*)$(?!\n)")
EXPECTED = ".../<split>/patientNNNNN/studyN/viewN_kind.jpg"
BATCH = re.compile(r"batch [1-4] \([^/]*\)")  # the one part of the prefix that may differ within a table


def read_frame(path: Path, split: str | None = None) -> pd.DataFrame:
    """Reads train.csv, valid.csv, test_labels.csv or a labeller's table, by column name, every row of it.

    Args:
        path: a CSV file of CheXpert's 19 columns; the four between Path and the labels may be wanting together.
        split: what its rows belong to; by default what their paths say.

    Returns:
        One row a view, in file order: ``path`` (as the CSV has it), ``key`` (``train/patient.../study.../view``,
        equal in every copy of CheXpert), ``split, patient, study, view``, ``projection`` (frontal_ap, frontal_pa,
        frontal_ll, frontal_rl, lateral; frontal where the table does not say), ``sex``, ``age`` (years; NaN where the
        table does not say), and the 14 observations as float32 in {1, 0, -1, NaN}.

    Raises:
        ProblemError: with file, line, column and value of the first thing that is not CheXpert.
    """
    table = read_table(path, ("Path", *OBSERVATIONS), CIRCUMSTANCES)
    places = _place(table, split)
    columns = {"path": table["Path"], **places, **_circumstances(table, places["view"]), **read_labels(table)}
    return pd.DataFrame(columns, index=table.text.index).astype(dict.fromkeys(TEXT, "str"))


def read_labels(table: Table) -> dict[str, np.ndarray]:
    """The 14 observations of a table as (N,) float32 in {1, 0, -1, NaN}."""
    for name in OBSERVATIONS:
        table.allow(name, LABELS, "a label is not blank, -1, 0 or 1")
    return {name: table[name].map(LABELS).to_numpy("float32") for name in OBSERVATIONS}


def read_studies(path: Path) -> pd.DataFrame:
    """Reads groundtruth.csv, the test set's labels by study: ``patient``, ``study`` and the 14 observations."""
    table = read_table(path, ("Study", *OBSERVATIONS))
    parts = table["Study"].str.extract(STUDY)
    table.refuse("Study", parts["study"].isna(), "Study is not .../test/patientNNNNN/studyN")
    frame = parts.assign(**read_labels(table))
    table.refuse("Study", frame.duplicated(["patient", "study"]), "this study is listed twice")
    return frame


def select_views(frame: pd.DataFrame, views: str) -> pd.DataFrame:
    """The frontal, the lateral or all rows; AP/PA plays no part, since it is LL or RL in 17 frontal rows."""
    if views == "all":
        return frame
    kind = frame["projection"].str.split("_").str[0]
    return frame[kind == views].reset_index(drop=True)


def _place(table: Table, split: str | None) -> dict[str, Sequence[str]]:
    """Key, split, patient, study and view of every row; one table has one prefix."""
    found = [match.groups() if (match := PLACE.fullmatch(path)) else None for path in table["Path"]]
    table.refuse("Path", [place is None for place in found], f"Path is not {EXPECTED}")
    heads, *parts = zip(*filter(None, found), strict=True) if found else [()] * 4
    read = {head: HEAD.fullmatch(head) for head in set(heads)}
    splits = {head: (match["split"] or split or "") if match else "" for head, match in read.items()}
    table.refuse("Path", [not splits[head] for head in heads], f"Path is not {EXPECTED}")
    starts = {head: BATCH.sub("batch", match["prefix"]) for head, match in read.items() if match}
    table.refuse("Path", [starts[head] != starts[heads[0]] for head in heads], "Path does not begin as that of line 2")
    wanted = split or (splits[heads[0]] if heads else "")
    table.refuse("Path", [splits[head] != wanted for head in heads], f"Path belongs to another split than {wanted}")
    keys = pd.Series(["/".join((wanted, *place)) for place in zip(*parts, strict=True)], dtype="str")
    table.refuse("Path", keys.duplicated(), "this view is listed twice")
    return {
        "key": list(keys),
        "split": [wanted] * len(keys),
        **dict(zip(("patient", "study", "view"), parts, strict=True)),
    }


def _circumstances(table: Table, views: Sequence[str]) -> dict[str, Any]:
    """Projection, sex and age; a table has all four columns for them or none."""
    kinds = pd.Series([view.partition("_")[2].title() for view in views], dtype="str")
    given = [name for name in CIRCUMSTANCES if name in table]
    if not given:
        return {"projection": kinds.str.lower(), "sex": "", "age": np.nan}
    if len(given) < len(CIRCUMSTANCES):
        what = f"only {', '.join(given)} of the columns {', '.join(CIRCUMSTANCES)}"
        raise ProblemError(what, where=f"{table.path}, line 1", mend="restore the others")
    table.allow("Sex", SEXES, f"Sex is not one of {', '.join(SEXES)}")
    table.allow("Age", AGES, "Age is not a whole number of years from 0 to 120")
    table.allow("Frontal/Lateral", ("Frontal", "Lateral"), "neither Frontal nor Lateral")
    stated = table["Frontal/Lateral"]
    table.refuse("Frontal/Lateral", kinds != stated, "not what the name of the view says")
    projection = (stated + " " + table["AP/PA"]).map(PROJECTIONS)
    table.refuse("AP/PA", projection.isna(), "not AP, PA, LL or RL (blank for laterals)")
    return {"projection": projection, "sex": table["Sex"], "age": table["Age"].astype("float64")}
