"""CSV files read strictly: the wanted columns by name, the exact number of fields, every error with line and value.

Left to itself, pandas reads 1,356 of 4,000 tables with one damaged place as other labels or another number of rows.
Here it only parses what was counted before. What changes no label (row numbers, quotes, ``nan``, other columns, blank
lines) is read, and noted once.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.errors import Code, UserError
from chexpert.observations import find_observation
from chexpert.tables.csv_text import AROUND, RESTORE, Notes, check_separator, parse_records, read_text

MANGLED = re.compile(r"(.+)\.[0-9]+")
"""What pandas calls the second column of a name."""
BLANK_LINES = ("\n\n", "\n,", "\n ", "\n\t")
"""How a line may begin that is blank."""


@dataclass(frozen=True)
class Table:
    """The wanted columns of a CSV file as text; ``lines`` has the line of each row."""

    path: Path
    text: pd.DataFrame
    lines: Sequence[int]
    notes: Notes

    def __getitem__(self, column: str) -> pd.Series:
        return self.text[column]

    def __contains__(self, column: str) -> bool:
        return column in self.text

    def __len__(self) -> int:
        return len(self.text)

    def tidy(self, column: str, spellings: Mapping[str, str], message: str) -> pd.Series:
        """A column as CheXpert spells it; ``message`` says what is wrong with a cell that is not in ``spellings``."""
        cells = self.text[column]
        usual = cells.isin([*{*spellings.values()}])
        if usual.all():
            return cells
        others = cells[~usual]
        read = others.str.strip(AROUND).map(spellings)
        self.refuse(column, cells.index.isin(read.index[read.isna()]), message)
        where = f"line {self.lines[others.index[0]]}, column {column}: {others.iloc[0]!r}"
        self.notes.add("cells in another spelling", where, len(others))
        return cells.where(usual, read)

    def refuse(self, column: str, wrong: Iterable[bool], message: str, code: Code = "cell") -> None:
        """Raises for the first wrong row, if there is one, with the number of further ones."""
        rows = np.flatnonzero(np.asarray(wrong if isinstance(wrong, pd.Series) else list(wrong)))
        if len(rows):
            further = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
            where = f"{self.path}, line {self.lines[rows[0]]}, column {column}"
            raise UserError(
                f"{message}: {self.text[column].iloc[rows[0]]!r}{further}", code=code, where=where, hint=RESTORE
            )


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Reads the columns of a CSV file, which has them in any order, and may have the optional ones and others.

    Raises:
        UserError: the file cannot be read, lacks a column or has one twice, or a line has more or fewer fields.
    """
    notes = Notes(path)
    text = read_text(path, notes)
    if '"' in text or any(begin in text for begin in BLANK_LINES):
        records = parse_records(text, notes)
        places = _find_columns(records.header, columns, optional, notes)
        cells = {name: [row[place] for row in records.rows] for name, place in places.items()}
        return Table(path, pd.DataFrame(cells, dtype="str"), records.lines, notes)
    header, *lines = text.removesuffix("\n").split("\n")
    names = header.split(",")
    places = _find_columns(names, columns, optional, notes)
    commas = len(names) - 1
    for number, line in enumerate(lines, start=2):
        if line.count(",") != commas:
            message = f"{line.count(',') + 1} fields instead of {len(names)}"
            raise UserError(message, code="field-count", where=f"{path}, line {number}", hint=RESTORE)
    return Table(path, _parse(text, len(names), places), range(2, 2 + len(lines)), notes)


def _parse(text: str, count: int, places: Mapping[str, int]) -> pd.DataFrame:
    """The wanted columns of a text without quotes, of which each line has ``count`` fields."""
    frame = pd.read_csv(
        io.StringIO(text),
        dtype="str",
        na_filter=False,
        quoting=csv.QUOTE_NONE,
        index_col=False,
        header=0,
        names=list(range(count)),
        usecols=sorted(places.values()),
    )
    return frame[list(places.values())].set_axis(list(places), axis=1)


def _find_columns(
    header: Sequence[str], columns: Sequence[str], optional: Sequence[str], notes: Notes
) -> dict[str, int]:
    """Return the place of each wanted column; note the others.

    Raises:
        UserError: one is not there, or stands twice.
    """
    check_separator(list(header), notes.path)
    wanted = (*columns, *optional)
    read = [_name_column(name.strip(AROUND), wanted) for name in header]
    places = {name: read.index(name) for name in wanted if name in read}
    missing = [name for name in columns if name not in places]
    others = [name for name, column in zip(header, read, strict=True) if column is None]
    again = [match[1] for name in others if (match := MANGLED.fullmatch(name)) and match[1] in places]
    twice = sorted({name for name in places if read.count(name) > 1} | set(again))
    if missing or twice:
        found = [f"no column {name!r}" for name in missing] + [f"column {name!r} stands twice" for name in twice]
        found += [f"unknown column {name!r}" for name in others if missing]
        message = "not CheXpert's columns: " + ", ".join(found)
        raise UserError(
            message,
            code="missing-column" if missing else "repeated",
            where=f"{notes.path}, line 1",
            hint="restore the file's own header (the order is free)",
        )
    if others:
        notes.add(f"other columns passed over: {', '.join(map(repr, others))}", count=len(others))
    return places


def _name_column(name: str, wanted: Sequence[str]) -> str | None:
    """The wanted column that a header means, whatever its case; None where it is another."""
    if name in wanted:
        return name
    known = {column.lower(): column for column in wanted} | {column: column for column in wanted}
    return known.get(name.lower()) or known.get(find_observation(name) or name)
