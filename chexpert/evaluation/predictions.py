"""Read files of predictions and of labels by column name; each error names its file and line."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.group_values import find_circumstances
from chexpert.metrics import find_study, number_studies, reduce_labels, reduce_scores
from chexpert.observations import OBSERVATIONS, find_observation
from chexpert.tables.csv_text import LABELS, NUMBER, read_records

KEYS = {"path": "Path", "study": "Study", "study_id": "Study"}
"""The column that names the rows, views or studies, in small letters; the last is MIMIC-CXR's."""
IDS = re.compile(r"(?:Unnamed: \d+)?|index|level_\d+|subject_id", re.IGNORECASE)
"""Columns that number the rows, as pandas leaves and calls them, or the patients: no groups."""
PATIENT = re.compile(r"(?:^|/)(?:(patient\d+/study\d+(?:/.*?)?)(?:\.(?i:jpe?g|png))?|p\d{8}/(s\d{8}(?:/.*)?))$")
"""What is the same of a view or study in every copy of CheXpert or MIMIC-CXR; before it stand the folder and split."""
OWN_STUDY = re.compile(r"s?([0-9]{8})(?:\.0)?")
"""A study of MIMIC-CXR, as its tables or folders number it."""


@dataclass(frozen=True)
class Named:
    """N rows by name.

    Attributes:
        path: the file.
        key: ``Path`` or ``Study``.
        names: N of them, as the file has them.
        columns: (N,) float64 by observation; of labels, NaN where blank.
        groups: (N,) texts by name of the group, of labels.
    """

    path: Path
    key: str
    names: list[str]
    columns: dict[str, np.ndarray]
    groups: dict[str, list[str]] = field(default_factory=dict)

    @property
    def places(self) -> dict[str, int]:
        """The row of each name, whichever copy of CheXpert it is from."""
        return {strip_copy(name): row for row, name in enumerate(self.names)}

    def in_order(self) -> "Named":
        """Return the rows by name, 2 before 10: samples of them do not depend on the order of the file."""
        order = sorted(range(len(self.names)), key=lambda row: _count_through(self.names[row]))
        groups = {group: [values[row] for row in order] for group, values in self.groups.items()}
        columns = {name: values[order] for name, values in self.columns.items()}
        return Named(self.path, self.key, [self.names[row] for row in order], columns, groups)


def _count_through(name: str) -> tuple[list[str | int], str]:
    parts = re.split("([0-9]+)", strip_copy(name))
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def strip_copy(name: str) -> str:
    """Return the name of a view or study without the dataset folder and the split; any other name stays as it is.

    CheXpert's names also lose their ending .jpg, .jpeg or .png, MIMIC-CXR's the folder of the patient.

    Args:
        name: path of a view or study.

    Returns:
        The part of the name that is the same in every folder of CheXpert or MIMIC-CXR.

    >>> strip_copy("CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"), strip_copy("ward/image.png")
    ('patient64541/study1/view1_frontal', 'ward/image.png')
    """
    found = PATIENT.search(name.replace("\\", "/").rstrip("/"))
    return found[1] or found[2] if found else name


class Cells:
    """A CSV file as text by column, of which each line has as many fields as the header."""

    def __init__(self, path: Path) -> None:
        records = read_records(path)
        self.path, self.header, self.lines, self.notes = path, records.header, records.lines, records.notes
        if not records.rows:
            empty = records.header == [""]
            raise UserError(
                "the file is empty" if empty else "no row in the table",
                code="empty-table",
                where=str(path),
                hint="a header and a row for each image or study",
            )
        self.unnamed = [name for name in self.header if IDS.fullmatch(name)]
        if twice := sorted({name for name in self.header if self.header.count(name) > 1 and name not in self.unnamed}):
            raise UserError(
                f"columns stand twice: {', '.join(twice)}", code="repeated", where=f"{path}, line 1", hint="drop one"
            )
        self.columns = {name: records.column(name) for name in self.header}

    def refuse(self, row: int, column: str, message: str, hint: str) -> None:
        """Raise the error of a cell."""
        message = f"{message}: {self.columns[column][row]!r}"
        raise UserError(message, code="cell", where=f"{self.path}, line {self.lines[row]}, column {column}", hint=hint)

    def key(self) -> tuple[str, str]:
        """Return the column that names the rows, and whether by Path or by Study; each name stands once."""
        found = [name for name in self.header if name.lower() in KEYS]
        if len(found) != 1:
            message = "both Path and Study" if found else "no column that names the rows"
            raise UserError(
                message, code="missing-column", where=f"{self.path}, line 1", hint="name the rows by Path or by Study"
            )
        if found[0].lower() == "study_id":
            own = [OWN_STUDY.fullmatch(name) for name in self.columns[found[0]]]
            names = zip(self.columns[found[0]], own, strict=True)
            self.columns[found[0]] = [f"s{match[1]}" if match else name for name, match in names]
        pairs = [(path, path.replace("\\", "/")) for path in self.columns[found[0]]]
        # those of the data set, whose patients and studies are read from their parts
        self.columns[found[0]] = [plain if PATIENT.search(plain) else path for path, plain in pairs]
        seen: set[str] = set()
        for row, name in enumerate(map(strip_copy, self.columns[found[0]])):
            if not name or name in seen:
                self.refuse(row, found[0], "this row stands twice" if name else "no name", "keep one row of each")
            seen.add(name)
        return found[0], KEYS[found[0].lower()]

    def numbers(self, column: str) -> np.ndarray:
        """Return the numbers (N,) float64 of a column."""
        cells = self.columns[column]
        values = np.empty(len(cells))
        for row, cell in enumerate(cells):
            if not NUMBER.fullmatch(cell) or np.isinf(found := float(cell)):
                self.refuse(row, column, "not a finite number", "correct the cell")
            values[row] = found
        return values

    def labels(self, column: str) -> np.ndarray:
        """Return the labels (N,) float64 in {1, 0, NaN} of a column."""
        read = [LABELS.get(cell) for cell in self.columns[column]]
        if wrong := [row for row, label in enumerate(read) if label in (None, "-1.0")]:
            hint = "0, 1 or blank; nothing can be evaluated by an uncertain label: leave it blank"
            self.refuse(wrong[0], column, "not a label to evaluate by", hint)
        return np.array([float(label or "nan") for label in read])

    def observations(self) -> dict[str, str]:
        """Return the columns that are named after an observation, by its name in CheXpert."""
        found: dict[str, str] = {}
        for column in self.header:
            name = find_observation(column)
            if name and name in found:
                message = f"{found[name]!r} and {column!r} are both {name}"
                raise UserError(
                    message, code="ambiguous-column", where=f"{self.path}, line 1", hint="drop one of the columns"
                )
            if name:
                found[name] = column
        return found


def read_predictions(path: Path) -> Named:
    """Read scores of views (``Path``) or studies (``Study``), one column for each observation.

    Columns that resemble no observation are skipped with a note.

    Args:
        path: CSV file.

    Returns:
        N rows by name, with a column (N,) float64 for each observation.

    Raises:
        UserError: a column that is nearly the name of an observation, no column of an observation, a row that stands
            twice, a score that is no finite number, or a file that cannot be read.
    """
    cells = Cells(path)
    (name, key), found = cells.key(), cells.observations()
    others = [column for column in cells.header if column not in (name, *found.values(), *cells.unnamed)]
    if close := [column for column in others if find_close(column)]:
        message = f"unknown observation: {', '.join(map(repr, close))}"
        raise UserError(message, code="unknown-observation", where=f"{path}, line 1", hint=suggest(close))
    if others:
        cells.notes.add(f"other columns passed over: {', '.join(map(repr, others))}", count=len(others))
    cells.notes.print()
    if not found:
        raise UserError(
            "no observation",
            code="missing-observation",
            where=f"{path}, line 1",
            hint=f"columns named {', '.join(OBSERVATIONS)}",
        )
    scores = {observation: cells.numbers(column) for observation, column in found.items()}
    return Named(path, key, cells.columns[name], scores)


def find_close(name: str) -> list[str]:
    """Return the observation that a column may mean, if one is near; part of a name is near, too."""
    near = [observation for observation in OBSERVATIONS if observation.lower() in name.lower().replace("_", " ")]
    return near[-1:] or difflib.get_close_matches(name.title(), OBSERVATIONS, n=1)


def suggest(unknown: Sequence[str]) -> str:
    """Return a hint that corrects the names of columns."""
    close = [match for name in unknown for match in find_close(name)]
    return f"did you mean {', '.join(close)}?" if close else f"drop it; known are {', '.join(OBSERVATIONS)}"


def read_labels(path: Path) -> Named:
    """Read labels of views or studies in {1, 0, blank}, and the other columns as groups.

    Args:
        path: CSV file.

    Returns:
        N rows by name, with a column (N,) float64 in {1, 0, NaN} for each observation, and ``groups`` such as ``sex``.

    Raises:
        UserError: no column of an observation, a row that stands twice, another label, two columns for one group, or a
            file that cannot be read.
    """
    cells = Cells(path)
    (name, key), found = cells.key(), cells.observations()
    if not found:
        raise UserError(
            "no observation",
            code="missing-observation",
            where=f"{path}, line 1",
            hint=f"columns named {', '.join(OBSERVATIONS)}",
        )
    columns = {observation: cells.labels(column) for observation, column in found.items()}
    cells.notes.print()
    others = [column for column in cells.header if column not in (name, *found.values(), *cells.unnamed)]
    groups = find_circumstances({column: cells.columns[column] for column in others}, columns)
    return Named(path, key, cells.columns[name], columns, groups)


def to_studies(rows: Named, views: str = "max", *, labels: bool = False) -> Named:
    """Return the studies of views, each with the score over its views, or the label that its views share.

    Args:
        rows: N views; studies are returned as they are.
        views: ``max`` or ``mean`` of the scores over the views of a study.
        labels: whether the columns are labels, which must be equal within a study.

    Returns:
        S studies in the order of their first views. The value of a group is the one that the views share, or ``mixed``.

    Raises:
        UserError: the views of a study have different labels.
    """
    if rows.key == "Study":
        return rows
    studies = [find_study(name) for name in rows.names]
    numbers, _ = number_studies(list(map(strip_copy, studies)))  # views of one study may be spelled as of two copies
    names = [studies[row] for row in np.unique(numbers, return_index=True)[1]]
    stacked = np.column_stack(list(rows.columns.values()))
    reduced = reduce_labels(numbers, stacked, names) if labels else reduce_scores(numbers, stacked, views)
    groups = {group: _share(values, numbers, len(names)) for group, values in rows.groups.items()}
    return Named(rows.path, "Study", names, dict(zip(rows.columns, reduced.T, strict=True)), groups)


def _share(values: Sequence[str], numbers: np.ndarray, count: int) -> list[str]:
    found: list[set[str]] = [set() for _ in range(count)]
    for number, value in zip(numbers, values, strict=True):
        if value:
            found[number].add(value)
    return ["mixed" if len(own) > 1 else "".join(own) for own in found]
