"""The tables of external data sets as text, read strictly: the wanted columns by name, each error with its line.

A table may be packed (``.csv.gz``), have texts in several lines, and columns without a name at its end.
"""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

import numpy as np

from chexpert.data.sources.chexpert_plus import open_text
from chexpert.errors import Code, UserError
from chexpert.tables.csv_text import AROUND

RESTORE = "restore the file as it was distributed"
Value = TypeVar("Value")


@dataclass(frozen=True)
class SourceTable:
    """N records of a table: the wanted columns as text, without blanks around; ``lines`` has the line of each."""

    path: Path
    columns: Mapping[str, list[str]]
    lines: Sequence[int]

    def __getitem__(self, column: str) -> list[str]:
        return self.columns[column]

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def __len__(self) -> int:
        return len(self.lines)

    def refuse(self, row: int, column: str, message: str, code: Code = "cell", hint: str = RESTORE) -> NoReturn:
        """Raise the error of a cell."""
        where = f"{self.path}, line {self.lines[row]}, column {column}"
        raise UserError(f"{message}: {self.columns[column][row]!r}", code=code, where=where, hint=hint)

    def refuse_first(self, column: str, wrong: np.ndarray, message: str, code: Code = "cell") -> None:
        """Raise the error of the first wrong row (N,) bool, if there is one."""
        if wrong.any():
            self.refuse(int(np.argmax(wrong)), column, message, code)

    def translate(self, column: str, values: Mapping[str, Value], message: str) -> list[Value]:
        """Return what each cell of a column stands for.

        Raises:
            UserError: a cell that is not in ``values``; ``message`` says what it is not.
        """
        cells = self.columns[column]
        for unknown in {*cells} - values.keys():
            self.refuse(cells.index(unknown), column, message)
        return [values[cell] for cell in cells]


def find_table(folder: Path, *names: str) -> Path | None:
    """Return the first of these files that is there, each as it is or packed by gzip."""
    places = (folder / f"{name}{ending}" for name in names for ending in ("", ".gz"))
    return next((place for place in places if place.is_file()), None)


def read_source(
    path: Path, columns: Sequence[str | tuple[str, ...]], data_set: str, optional: Sequence[str] = ()
) -> SourceTable:
    """Read the columns of a table.

    Args:
        path: a CSV file, or one packed by gzip.
        columns: names of the wanted columns; a tuple has the spellings of one column, which is called by the first.
        data_set: whose table it is, for messages.
        optional: columns that may be missing.

    Raises:
        UserError: the file cannot be read, has no row, lacks a column, or a record has too many or too few fields.
    """
    spelled = {
        name if isinstance(name, str) else name[0]: (name,) if isinstance(name, str) else name for name in columns
    }
    try:
        with _open(path) as file:
            return _read(csv.reader(file, strict=True), path, spelled, data_set, optional)
    except (OSError, UnicodeError, EOFError, csv.Error) as error:
        raise UserError(
            f"the table cannot be read: {error}", code="unreadable-file", where=str(path), hint=RESTORE
        ) from error


def _read(
    reader: Any, path: Path, spelled: Mapping[str, tuple[str, ...]], data_set: str, optional: Sequence[str]
) -> SourceTable:  # fmt: skip
    header = [name.strip(AROUND) for name in next(reader, [])]
    while header and not header[-1]:  # NIH's tables end in columns without a name
        header.pop()
    places = _find_columns(header, path, spelled, data_set, optional)
    kept: dict[str, list[str]] = {name: [] for name in places}
    lines: list[int] = []
    for number, record in _list_records(reader, len(header), path):
        for name, place in places.items():
            kept[name].append(record[place].strip(AROUND))
        lines.append(number)
    if not lines:
        raise UserError("the table has no row", code="empty-table", where=str(path), hint=RESTORE)
    return SourceTable(path, kept, lines)


def _find_columns(
    header: Sequence[str], path: Path, spelled: Mapping[str, tuple[str, ...]], data_set: str, optional: Sequence[str]
) -> dict[str, int]:
    """The place of each wanted column, once in the header."""
    wanted = {**spelled, **{name: (name,) for name in optional}}
    found = {name: [place for place, own in enumerate(header) if own in names] for name, names in wanted.items()}
    missing = [" or ".join(names) for name, names in spelled.items() if not found[name]]
    twice = [name for name, own in found.items() if len(own) > 1]
    if missing or twice:
        faults = [f"no column {name!r}" for name in missing] + [f"column {name!r} stands twice" for name in twice]
        message = f"not the columns of {data_set}: {', '.join(faults)}"
        code: Code = "missing-column" if missing else "repeated"
        hint = f"it may be a table of another version: give that of {data_set}, see docs/how-to/external-data.md"
        raise UserError(message, code=code, where=f"{path}, line 1", hint=hint)
    return {name: own[0] for name, own in found.items() if own}


def _list_records(reader: Any, width: int, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The records with the line in which each ends, without blank ones; beyond the named columns nothing may stand."""
    for record in reader:
        if len(record) >= width and not any(cell.strip(AROUND) for cell in record[width:]):
            yield reader.line_num, record
        elif any(cell.strip(AROUND) for cell in record):
            message = f"{len(record)} fields instead of {width}"
            raise UserError(message, code="field-count", where=f"{path}, line {reader.line_num}", hint=RESTORE)


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", newline="", encoding="utf-8-sig")
    return open_text(path)
