"""From CheXpert's tables to one tidy frame: one row a view, columns by name, labels in {1, 0, -1, NaN}."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS
from chexpert.tables.csv_table import Table, read_table
from chexpert.tables.csv_text import AROUND, BLANKS, LABELS

CIRCUMSTANCES = ("Sex", "Age", "Frontal/Lateral", "AP/PA")
HEADER = ("Path", *CIRCUMSTANCES, *OBSERVATIONS)
TEXT = ("path", "key", "split", "patient", "study", "view", "projection", "sex")
"""The columns of a frame that are strings, of a frame without a row too."""

SPLITS = ("train", "valid", "test")
VIEWS = ("frontal", "lateral", "all")

VALUES = {"": np.nan, "1.0": 1.0, "0.0": 0.0, "-1.0": -1.0}
"""Labels as CheXpert writes them. Blank is not negative: it stays NaN."""
SEXES = ("Male", "Female", "Unknown")  # Unknown: one patient
AGES = {f"{age}{end}": str(age) for age in range(121) for end in ("", ".0")}  # CheXpert's: 0 (three times), 18 to 90
KINDS = ("Frontal", "Lateral")
POSITIONS = BLANKS | {name: name for name in ("AP", "PA", "LL", "RL")}
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
    r"((?:[^\\]+/)?)(patient[0-9]{5})[/_](study[1-9][0-9]*)[/_](view[1-9][0-9]*_(?:frontal|lateral))"
    r"(\.(?i:jpe?g|png))",
    re.DOTALL,
)
VIEW = re.compile("view[1-9][0-9]*_(?:frontal|lateral)")
# What stands before. It places nothing, so it may be of another machine; but it leads upwards at its beginning only.
_PART = r"(?:(?!\.{1,2}/)[\w.(+=@#-][\w .&()+=@#%~'\[\]-]*/)"
_BEFORE = rf"(?:(?:\./)?{_PART}*?|(?:(?:[A-Za-z]:)?/|(?:\./)?(?:\.\./)+){_PART}+?)"
HEAD = re.compile(rf"(?P<prefix>{_BEFORE})(?:(?P<split>train|valid|val|test)/)?")
OWN = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9 ._&()-]*/)*")
"""Prefixes that name a copy, and stay; of any other one only CheXpert's own name in it is kept."""
NAMED = re.compile(r"CheXpert-v1\.0(?:-small)?/$")
STUDY = re.compile(rf"^{_BEFORE}test/(?P<patient>patient[0-9]{{5}})/(?P<study>study[1-9][0-9]*)$(?!\n)")
EXPECTED = ".../<split>/patientNNNNN/studyN/viewN_kind.jpg"
BATCH = re.compile(r"batch [1-4] \([^/]*\)")  # the one part of the prefix that may differ within a table


def read_frame(path: Path, split: str | None = None) -> pd.DataFrame:
    """Read train.csv, valid.csv, test_labels.csv or a labeler's table, by column name, every row of it.

    Args:
        path: a CSV file of CheXpert's 19 columns; the four between Path and the labels may be wanting together.
        split: what its rows belong to; by default what their paths say.

    Returns:
        One row a view, in file order: ``path`` (as the CSV has it; without the folders of another machine, and ending
        in .jpg), ``key`` (``train/patient.../study.../view``, equal in every copy of CheXpert), ``split, patient,
        study, view``, ``projection`` (frontal_ap, frontal_pa, frontal_ll, frontal_rl, lateral; frontal where the table
        does not say), ``sex``, ``age`` (years; NaN where the table does not say), the 14 observations as float32 in
        {1, 0, -1, NaN}; and ``ending``, that of the listed file, where one is not .jpg.

    Raises:
        UserError: with file, line, column and value of the first thing that is not CheXpert.
    """
    table = read_table(path, ("Path", *OBSERVATIONS), CIRCUMSTANCES)
    places = _place(table, split)
    columns = {**places, **_circumstances(table, places["view"]), **parse_labels(table)}
    table.notes.print()
    return pd.DataFrame(columns, index=table.text.index).astype(dict.fromkeys(TEXT, "str"))


def parse_labels(table: Table) -> dict[str, np.ndarray]:
    """Return the 14 observations of a table as (N,) float32 in {1, 0, -1, NaN}."""
    message = "a label is not blank, -1, 0 or 1"
    return {name: table.tidy(name, LABELS, message).map(VALUES).to_numpy("float32") for name in OBSERVATIONS}


def read_studies(path: Path) -> pd.DataFrame:
    """Read groundtruth.csv, the test set's labels by study: ``patient``, ``study`` and the 14 observations."""
    table = read_table(path, ("Study", *OBSERVATIONS))
    parts = table["Study"].str.strip(AROUND).str.replace("\\", "/").str.removesuffix("/").str.extract(STUDY)
    table.refuse("Study", parts["study"].isna(), "Study is not .../test/patientNNNNN/studyN")
    frame = parts.assign(**parse_labels(table))
    table.refuse("Study", frame.duplicated(["patient", "study"]), "this study is listed twice", code="repeated")
    table.notes.print()
    return frame


def select_views(frame: pd.DataFrame, views: str) -> pd.DataFrame:
    """Select the frontal, the lateral or all rows; AP/PA is not used, since it is LL or RL in 17 frontal rows."""
    if views == "all":
        return frame
    kind = frame["projection"].str.split("_").str[0]
    return frame[kind == views].reset_index(drop=True)


def _place(table: Table, split: str | None) -> dict[str, Sequence[str]]:
    """Path, key, split, patient, study and view of every row; one table has one prefix."""
    paths = table["Path"].to_numpy("object").tolist()
    found = [PLACE.fullmatch(path) for path in paths]
    for row in (row for row, match in enumerate(found) if match is None):
        paths[row] = paths[row].strip(AROUND).replace("\\", "/")
        found[row] = PLACE.fullmatch(paths[row])
    table.refuse("Path", [match is None for match in found], f"Path is not {EXPECTED}")
    heads, *parts, endings = zip(*(match.groups() for match in found if match), strict=True) if found else [()] * 5
    read = {head: HEAD.fullmatch(head) for head in set(heads)}
    splits = {head: _name_split(match, split) if match else "" for head, match in read.items()}
    table.refuse("Path", [not splits[head] for head in heads], f"Path is not {EXPECTED}")
    starts = {head: BATCH.sub("batch", match["prefix"]) for head, match in read.items() if match}
    table.refuse("Path", [starts[head] != starts[heads[0]] for head in heads], "Path does not begin as that of line 2")
    wanted = split or (splits[heads[0]] if heads else "")
    table.refuse("Path", [splits[head] != wanted for head in heads], f"Path belongs to another split than {wanted}")
    keys = ["/".join((wanted, *place)) for place in zip(*parts, strict=True)]
    table.refuse("Path", pd.Series(keys, dtype="str").duplicated(), "this view is listed twice", code="repeated")
    return {
        "path": _name_views(table, paths, heads, endings, keys),
        "key": keys,
        "split": [wanted] * len(keys),
        **dict(zip(("patient", "study", "view"), parts, strict=True)),
        **({"ending": endings} if {*endings} - {".jpg"} else {}),
    }


def find_key(path: str) -> str | None:
    """Return the name that a view has in every copy of CheXpert; None where the path is not CheXpert's.

    >>> find_key("CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg")
    'train/patient00001/study1/view1_frontal'
    """
    match = PLACE.fullmatch(path)
    head = match and HEAD.fullmatch(match[1])
    split = head and _name_split(head, None)
    return "/".join((split, *match.groups()[1:4])) if match and split else None


def _name_split(match: re.Match[str], split: str | None) -> str:
    return "valid" if match["split"] == "val" else match["split"] or split or ""


def _name_views(
    table: Table, paths: list[str], heads: Sequence[str], endings: Sequence[str], keys: Sequence[str]
) -> list[str]:
    """Each view as CheXpert names it: what leads to it on one machine, and how it was saved there, is no part of it."""
    foreign = {head: (found[0] if (found := NAMED.search(starts)) else "") for head, starts in _find_foreign(heads)}
    if not foreign and not {*endings} - {".jpg"}:
        return paths
    for row, (head, ending) in enumerate(zip(heads, endings, strict=True)):
        if head in foreign or ending != ".jpg":
            table.notes.add("paths with other folders or another ending", f"line {table.lines[row]}: {paths[row]!r}")
            stem = foreign[head] + keys[row] if head in foreign else paths[row].removesuffix(ending)
            paths[row] = f"{stem}.jpg"
    return paths


def _find_foreign(heads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Heads that lead to a folder of one machine, with their prefix."""
    for head in {*heads}:
        if not OWN.fullmatch(head) and (match := HEAD.fullmatch(head)):
            yield head, match["prefix"]


def _circumstances(table: Table, views: Sequence[str]) -> dict[str, Any]:
    """Projection, sex and age; a table has all four columns for them or none."""
    kinds = pd.Series([view.partition("_")[2].title() for view in views], dtype="str")
    given = [name for name in CIRCUMSTANCES if name in table]
    if not given:
        return {"projection": kinds.str.lower(), "sex": "", "age": np.nan}
    if len(given) < len(CIRCUMSTANCES):
        message = f"only {', '.join(given)} of the columns {', '.join(CIRCUMSTANCES)}"
        raise UserError(message, code="missing-column", where=f"{table.path}, line 1", hint="restore the others")
    sex = table.tidy("Sex", {name: name for name in SEXES}, f"Sex is not one of {', '.join(SEXES)}")
    age = table.tidy("Age", AGES, "Age is not a whole number of years from 0 to 120")
    stated = table.tidy("Frontal/Lateral", {kind: kind for kind in KINDS}, "neither Frontal nor Lateral")
    table.refuse("Frontal/Lateral", kinds != stated, "not what the name of the view says")
    message = "not AP, PA, LL or RL (blank for laterals)"
    projection = (stated + " " + table.tidy("AP/PA", POSITIONS, message)).map(PROJECTIONS)
    table.refuse("AP/PA", projection.isna(), message)
    return {"projection": projection, "sex": sex, "age": age.astype("float64")}
