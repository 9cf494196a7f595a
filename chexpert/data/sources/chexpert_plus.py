"""CheXpert Plus (Chambon et al. 2024, arxiv.org/abs/2405.19538): its table, and its labels as JSON lines.

The columns that CheXpert has are kept, and those of ``GROUPS``, to evaluate parts of the rows: reports never leave
this file.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from chexpert.data.sources.frame import HEAD, PROJECTIONS, SEXES, TEXT
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS
from chexpert.tables.csv_text import AROUND, BLANKS, Notes, decode, find_encoding

SECTIONS = ("impression", "findings", "report")
"""Sections of the report that CheXbert labeled; CheXpert's own labels are of the impression."""

COLUMNS = ("path_to_image", "frontal_lateral", "ap_pa", "age", "sex", "split")
GROUPS = {"race": "race", "ethnicity": "ethnicity", "insurance": "insurance_type"}
"""Columns of the frame by the column of the table, which may lack them."""
ORDER = "patient_report_date_order"
"""Of a study among those of its patient: 1 is the oldest."""
PLACE = re.compile(
    r"(train|valid|test)/(patient[0-9]{5})/(study[1-9][0-9]*)/(view[1-9][0-9]*_(frontal|lateral))\.(?i:jpe?g|png)"
)
PREFIX = re.compile(HEAD.pattern.partition("(?:(?P<split>")[0])
HINT = "restore the file as Stanford gives it"


def find_table(root: Path) -> Path | None:
    """Return df_chexpert_plus_240401.csv, or that of another date."""
    return max(root.glob("df_chexpert_plus_*.csv"), default=None)


def name_labels(section: str) -> str:
    """Return where the labels of a section lie, beside the table."""
    return f"chexbert_labels/{section}_fixed.json"


def find_labelers(root: Path) -> dict[str, Path]:
    """Return the label files by section of the report."""
    found: dict[str, Path] = {}
    for section in SECTIONS:
        beside = Path(name_labels(section)).name
        path = next((root / name for name in (name_labels(section), beside) if (root / name).is_file()), None)
        found |= {section: path} if path else {}
    return found


def read_plus(table: Path, labels: Path, split: str) -> pd.DataFrame:
    """Read the views of a split with the labels of a section.

    The table is as :func:`chexpert.data.sources.frame.read_frame` gives it.

    Raises:
        UserError: with file and line of what is not CheXpert Plus, or of a view without labels.
    """
    views = _read_views(table)
    frame = views[views["split"] == split].reset_index(drop=True)
    labeled = _read_labels(labels)
    absent = [key for key in frame["key"] if key not in labeled]
    if absent:
        message = f"no labels for {len(absent)} of {len(frame)} views, the first: {absent[0]}"
        raise UserError(message, code="missing-labels", where=str(labels), hint="restore the file")
    values = np.array([labeled[key] for key in frame["key"]], dtype="float32").reshape(-1, len(OBSERVATIONS))
    return frame.assign(**{name: values[:, column] for column, name in enumerate(OBSERVATIONS)})


def _read_views(table: Path) -> pd.DataFrame:
    """One row a view of every split, without labels."""
    rows = [_read_view(cells, where) for cells, where in _read_rows(table)]
    frame = pd.DataFrame(rows, columns=[*TEXT, "age", *GROUPS, "order"])
    frame = frame.astype(dict.fromkeys([*TEXT, *GROUPS, "order"], "str"))
    if frame["key"].duplicated().any():
        twice = frame.loc[frame["key"].duplicated(), "key"].iloc[0]
        raise UserError(f"this view is listed twice: {twice}", code="repeated", where=str(table), hint=HINT)
    return frame


def _read_rows(table: Path) -> Iterator[tuple[dict[str, str], str]]:
    """The wanted cells of each record, and where it stands; the reports hold commas, quotes and line breaks."""
    try:
        with open_text(table) as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            lacking = [name for name in COLUMNS if header.count(name) != 1]
            if lacking:
                message = f"not the columns of CheXpert Plus: {', '.join(lacking)} wanting, or twice there"
                raise UserError(message, code="missing-column", where=f"{table}, line 1", hint=HINT)
            wanted = [*COLUMNS, *(name for name in (*GROUPS.values(), ORDER) if header.count(name) == 1)]
            places = [header.index(name) for name in wanted]
            for cells in reader:
                where = f"{table}, record ending in line {reader.line_num}"
                if not any(cell.strip(AROUND) for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise UserError(
                        f"{len(cells)} fields instead of {len(header)}", code="field-count", where=where, hint=HINT
                    )
                tidied = (cells[place].strip(AROUND) for place in places)
                yield {name: BLANKS.get(cell, cell) for name, cell in zip(wanted, tidied, strict=True)}, where
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(
            f"the table cannot be read: {error}", code="unreadable-file", where=str(table), hint=HINT
        ) from error


def open_text(path: Path) -> TextIO:
    """Open a text file with the encoding that its first bytes show."""
    with path.open("rb") as file:
        encoding = find_encoding(file.read(4), path)
    return path.open(newline="", encoding=encoding)


def _read_view(cells: dict[str, str], where: str) -> dict[str, Any]:
    """The row of a record.

    Raises:
        UserError: a value that is not CheXpert's.
    """

    def require(fits: object, column: str, message: str) -> None:
        if not fits:
            raise UserError(f"{message}: {cells[column]!r}", code="cell", where=f"{where}, column {column}", hint=HINT)

    match = find_place(cells["path_to_image"])
    require(match, "path_to_image", "not <split>/patientNNNNN/studyN/viewN_kind.jpg")
    assert match
    split, patient, study, view, kind = match.groups()
    require(cells["split"] == split, "split", "not the split of the path")
    require(cells["frontal_lateral"] == kind.title(), "frontal_lateral", "not what the name of the view says")
    require(cells["sex"] in (*SEXES, ""), "sex", f"sex is not one of {', '.join(SEXES)}")
    age = re.fullmatch(r"([0-9]{1,3})(?:\.0)?", cells["age"])
    require((age and int(age[1]) <= 120) or not cells["age"], "age", "age is not a whole number of years from 0 to 120")
    position = cells["ap_pa"] if kind == "frontal" else ""
    projection = PROJECTIONS.get(f"{kind.title()} {position}", "" if position else kind)
    require(projection, "ap_pa", "not AP, PA, LL, RL or blank")
    key = "/".join((split, patient, study, view))
    place = {
        "path": f"{key}.jpg",
        "key": key,
        "split": split,
        "patient": patient,
        "study": study,
        "view": view,
    }
    order = cells.get(ORDER, "").removesuffix(".0") or study.removeprefix("study")
    require(order.isdecimal() and int(order), ORDER, "not the number of a study from 1 on")
    groups = {name: cells.get(column, "") for name, column in GROUPS.items()} | {"order": order}
    known = {"projection": projection, "sex": cells["sex"], "age": float(age[1]) if age else np.nan}
    return place | known | groups


def find_place(path: str) -> re.Match[str] | None:
    """Match split, patient, study, view and kind in a path, whatever folders lead to them on another machine."""
    path = path.strip(AROUND).replace("\\", "/")
    head = re.match(r"(.*?)(?=(?:train|valid|test)/patient)", path)
    return PLACE.fullmatch(path[head.end() :]) if head and (PREFIX.fullmatch(head[1]) or not head[1]) else None


def _read_labels(path: Path) -> dict[str, list[float]]:
    """The 14 labels by key of the view; null and NaN are blank."""
    labels: dict[str, list[float]] = {}
    try:
        text = decode(path.read_bytes(), path, Notes(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the labels cannot be read: {error}", code="unreadable-file", where=str(path), hint=HINT
        ) from error
    for entry, where in _read_entries(text, path):
        try:
            place = find_place(str(entry["path_to_image"]))
            if place is None:
                raise ValueError(f"not a view of CheXpert: {entry['path_to_image']!r}")
            key = "/".join(place.groups()[:4])
            values = [_read_label(entry[name], name) for name in OBSERVATIONS]
        except (ValueError, TypeError, KeyError) as error:
            message = f"not a view's labels: {type(error).__name__} {error}"
            raise UserError(message, code="cell", where=where, hint=HINT) from error
        if key in labels:
            raise UserError(f"this view is listed twice: {key}", code="repeated", where=where, hint=HINT)
        labels[key] = values
    return labels


def _read_entries(text: str, path: Path) -> Iterator[tuple[Any, str]]:
    """The views of JSON lines, or of one JSON array, and where each stands."""
    try:
        number, where = 0, str(path)
        if text.lstrip().startswith("["):
            for number, entry in enumerate(_parse(text), start=1):
                yield entry, f"{path}, entry {number}"
            return
        for number, line in enumerate(text.split("\n"), start=1):  # U+2028 may stand within a string
            where = f"{path}, line {number}"
            if line.strip():
                yield _parse(line), where
    except ValueError as error:
        raise UserError(f"not a view's labels: {error}", code="cell", where=where, hint=HINT) from error


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_read_constant, object_pairs_hook=_refuse_twice)


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) < len(pairs):
        raise ValueError("a name stands twice in a view")
    return entry


def _read_label(value: object, name: str) -> float:
    if value is None:
        return np.nan
    if isinstance(value, int | float) and not isinstance(value, bool) and value in (-1, 0, 1):
        return float(value)
    raise ValueError(f"{name} is not null, -1, 0 or 1: {value!r}")


def _read_constant(name: str) -> None:
    """Python and pandas write NaN for nothing."""
    if name != "NaN":
        raise ValueError(f"no label: {name}")
