"""Files of predictions and of labels, by column name; whatever is wrong in them is told with its file and line."""

import csv
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chexpert.evaluation.circumstances import find_circumstances
from chexpert.metrics import find_study, number_studies, reduce_labels, reduce_scores
from chexpert.observations import OBSERVATIONS, find_observation
from chexpert.problem import ProblemError

KEYS = ("Path", "Study")
"""The column that names the rows: views or studies."""
INDEX = re.compile(r"(?:Unnamed: \d+)?")
"""The column of row numbers that pandas leaves, and what it calls one without a name."""
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
PATIENT = re.compile(r"(?:^|/)(patient\d+/study\d+(?:/.*)?)$")
"""What is the same of a view or study in every copy of CheXpert; before it stand the copy's folder and the split."""


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
        """The rows by name, 2 before 10: what is drawn from them does not depend on the order of the file."""
        order = sorted(range(len(self.names)), key=lambda row: _count_through(self.names[row]))
        groups = {group: [values[row] for row in order] for group, values in self.groups.items()}
        columns = {name: values[order] for name, values in self.columns.items()}
        return Named(self.path, self.key, [self.names[row] for row in order], columns, groups)


def _count_through(name: str) -> tuple[list[str | int], str]:
    parts = re.split("([0-9]+)", strip_copy(name))
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def strip_copy(name: str) -> str:
    """A view or study without the copy and the split it lies in; any other name as it is.

    >>> strip_copy("CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"), strip_copy("ward/film.png")
    ('patient64541/study1/view1_frontal.jpg', 'ward/film.png')
    """
    found = PATIENT.search(name.rstrip("/"))
    return found[1] if found else name


class Cells:
    """A CSV file as text by column, of which each line has as many fields as the header."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, strict=True)
                rows = [(reader.line_num, row) for row in reader if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ProblemError(f"the table cannot be read: {error}", where=str(path), mend="give a CSV file") from error
        if len(rows) < 2:
            raise ProblemError("no row in the table" if rows else "the file is empty", where=str(path), mend="fill it")
        (_, self.header), *body = rows
        self.unnamed = [name for name in self.header if INDEX.fullmatch(name)]
        self.lines = [line for line, _ in body]
        for line, row in body:
            if len(row) != len(self.header):
                what = f"{len(row)} fields instead of {len(self.header)}"
                raise ProblemError(what, where=f"{path}, line {line}", mend="correct the line")
        self.columns = dict(zip(self.header, map(list, zip(*(row for _, row in body), strict=True)), strict=False))
        if twice := sorted({name for name in self.header if self.header.count(name) > 1}):
            raise ProblemError(f"columns stand twice: {', '.join(twice)}", where=f"{path}, line 1", mend="drop one")

    def refuse(self, row: int, column: str, what: str, mend: str) -> None:
        """Raises for a cell."""
        told = f"{what}: {self.columns[column][row]!r}"
        raise ProblemError(told, where=f"{self.path}, line {self.lines[row]}, column {column}", mend=mend)

    def key(self) -> str:
        """The column that names the rows; each name stands once."""
        found = [key for key in KEYS if key in self.columns]
        if len(found) != 1:
            what = "both Path and Study" if found else "no column that names the rows"
            raise ProblemError(what, where=f"{self.path}, line 1", mend="name the rows by Path or by Study")
        self.columns[found[0]] = [name.strip() for name in self.columns[found[0]]]
        seen: set[str] = set()
        for row, name in enumerate(map(strip_copy, self.columns[found[0]])):
            if not name or name in seen:
                self.refuse(row, found[0], "this row stands twice" if name else "no name", "keep one row of each")
            seen.add(name)
        return found[0]

    def numbers(self, column: str, blank: float | None = None) -> np.ndarray:
        """(N,) float64; ``blank`` is what an empty cell means, where it may be empty."""
        cells = self.columns[column]
        values = np.empty(len(cells))
        for row, cell in enumerate(cells):
            if blank is not None and not cell.strip():
                values[row] = blank
            elif not NUMBER.fullmatch(cell.strip()) or np.isinf(found := float(cell)):
                self.refuse(row, column, "not a finite number", "correct the cell")
            else:
                values[row] = found
        return values

    def observations(self) -> dict[str, str]:
        """The columns that are named after an observation, by its name in CheXpert."""
        found: dict[str, str] = {}
        for column in self.header:
            name = find_observation(column)
            if name and name in found:
                what = f"{found[name]!r} and {column!r} are both {name}"
                raise ProblemError(what, where=f"{self.path}, line 1", mend="drop one of the columns")
            if name:
                found[name] = column
        return found


def read_predictions(path: Path) -> Named:
    """Reads scores of views (``Path``) or studies (``Study``), one column an observation.

    Raises:
        ProblemError: a column that is no observation, a row that stands twice, a score that is no finite number.
    """
    cells = Cells(path)
    key, found = cells.key(), cells.observations()
    if unknown := [name for name in cells.header if name not in (key, *found.values(), *cells.unnamed)]:
        raise ProblemError(f"unknown observation: {', '.join(map(repr, unknown))}", where=f"{path}, line 1",
                           mend=suggest(unknown))  # fmt: skip
    if not found:
        raise ProblemError("no observation", where=f"{path}, line 1", mend=f"columns named {', '.join(OBSERVATIONS)}")
    return Named(path, key, cells.columns[key], {name: cells.numbers(column) for name, column in found.items()})


def suggest(unknown: Sequence[str]) -> str:
    """How to mend the names of columns."""
    close = [match for name in unknown for match in difflib.get_close_matches(name, OBSERVATIONS, n=1)]
    return f"did you mean {', '.join(close)}?" if close else f"drop it; known are {', '.join(OBSERVATIONS)}"


def read_labels(path: Path) -> Named:
    """Reads labels of views or studies, in {1, 0, blank}, with what else is known of them as groups.

    Raises:
        ProblemError: no observation, a row that stands twice, another label.
    """
    cells = Cells(path)
    key, found = cells.key(), cells.observations()
    if not found:
        raise ProblemError("no observation", where=f"{path}, line 1", mend=f"columns named {', '.join(OBSERVATIONS)}")
    columns = {name: cells.numbers(column, blank=np.nan) for name, column in found.items()}
    for name, values in columns.items():
        wrong = np.isfinite(values) & (values != 0) & (values != 1)
        if wrong.any():
            mend = "0, 1 or blank; an uncertain label judges nothing: leave it blank"
            cells.refuse(int(wrong.argmax()), found[name], "not a label to judge by", mend)
    others = {
        name: values for name, values in cells.columns.items() if name not in (key, *found.values(), *cells.unnamed)
    }
    return Named(path, key, cells.columns[key], columns, find_circumstances(others, columns))


def to_studies(rows: Named, views: str = "max", *, labels: bool = False) -> Named:
    """The studies of views: the score by their views, or the label that they share.

    A group is what the views share, or ``mixed``.
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
