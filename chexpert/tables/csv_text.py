"""CSV files as text, by whatever program they were saved: accept what changes no cell, and print it once as a note."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chexpert.console import NOTE, log
from chexpert.errors import UserError

RESTORE = "correct the line, or restore the file as it was distributed"
COMMAS = "pd.read_csv(FILE, sep={!r}{}{}).to_csv(NEW, index=False)"
SPREADSHEET = ["sep=", ""]
SEPARATORS = {";": ("semicolons", ', decimal=","'), "\t": ("tabs", "")}

BLANK = ("", "nan", "NaN", "NA", "N/A", "n/a", "null", "NULL", "None", "<NA>")
"""What pandas, NumPy, R, SQL and JSON write for nothing. No other word, no dash: these may say more."""
BLANKS = dict.fromkeys(BLANK, "")
_ZEROS = ["", *("." + "0" * count for count in range(1, 7))]
LABELS = BLANKS | {f"{digit}{zeros}": f"{digit}.0" for digit in ("1", "0", "-1") for zeros in _ZEROS}
"""Every spelling of a label, and CheXpert's own. Listed, not computed: float() also takes ``1e0``, ``+1``, ``1_0``."""
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
AROUND = " \t"
"""What may stand around a cell."""
NO_CSV = {
    b"\x1f\x8b": ("compressed by gzip", "unpack it first: gzip -dc FILE > NEW.csv"),
    b"PK\x03\x04": ("a spreadsheet or a zip archive", "save the sheet as CSV, or unpack the archive"),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet", "save the sheet as CSV"),
}
WIDE = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks of other encodings than UTF-8, the longer ones first."""

_printed: set[str] = set()


@dataclass
class Notes:
    """What in a file is taken although it stands there otherwise than CheXpert has it: by kind how often, and where."""

    path: Path
    found: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, kind: str, where: str = "", count: int = 1) -> None:
        """Counts; ``where`` is that of the first."""
        before, first = self.found.get(kind, (0, where))
        self.found[kind] = before + count, first

    def print(self) -> None:
        """Print the notes, each once in a process."""
        for kind, (count, where) in self.found.items():
            line = f"{self.path}: {count:,} {kind}" + (f", the first in {where}" if where else "")
            if line not in _printed:
                _printed.add(line)
                log.log(NOTE, line)


@dataclass(frozen=True)
class Records:
    """A CSV file as text: its header and N rows of as many cells, with the line in which each row ends."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    notes: Notes

    def column(self, name: str) -> list[str]:
        """The cells of a column, without blanks around them."""
        place = self.header.index(name)
        return [row[place].strip(AROUND) for row in self.rows]


def read_records(path: Path) -> Records:
    """Reads a CSV file of any columns.

    Raises:
        UserError: it cannot be read, is separated otherwise, or has a line with more or fewer fields.
    """
    notes = Notes(path)
    return parse_records(read_text(path, notes), notes)


def parse_records(text: str, notes: Notes) -> Records:
    """The records of a text; blank ones are left out."""
    path = notes.path
    if text.lstrip()[:1] in ("[", "{"):
        raise UserError(
            "JSON, where a CSV file is needed", code="not-csv", where=str(path), hint="give the table as CSV"
        )
    found = _split(text, path)
    line, header = next(found, (1, [""]))
    if header == SPREADSHEET:
        notes.add("line for spreadsheets (sep=,) passed over", "line 1")
        line, header = next(found, (2, [""]))
    check_separator(header, path)
    header, rows, lines = [name.strip(AROUND) for name in header], [], []
    for line, row in found:
        if not any(cell.strip(AROUND) for cell in row):
            notes.add("blank lines passed over", f"line {line}")
            continue
        if len(row) != len(header):
            raise UserError(
                f"{len(row)} fields instead of {len(header)}",
                code="field-count",
                where=f"{path}, line {line}",
                hint=RESTORE,
            )
        rows.append(row)
        lines.append(line)
    return Records(path, header, rows, lines, notes)


def _split(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        begin = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # where the quote opened, not where the file ended
            raise UserError(
                f"a quote in the table: {error}", code="not-csv", where=f"{path}, line {begin}", hint=RESTORE
            ) from error
        yield reader.line_num, row


def check_separator(header: list[str], path: Path) -> None:
    """Refuses a table that is separated by something else, of which the comma may be that of decimals."""
    for mark, (name, decimal) in SEPARATORS.items():
        if len(header) == 1 and mark in header[0]:
            with path.open("rb") as file:
                head = file.read(4)
            coded = next((f", encoding={code!r}" for order, code in WIDE.items() if head.startswith(order)), "")
            hint = f"save it with commas, in pandas: {COMMAS.format(mark, decimal, coded)}"
            raise UserError(f"separated by {name}, not by commas", code="not-csv", where=f"{path}, line 1", hint=hint)


def read_text(path: Path, notes: Notes) -> str:
    r"""The text of a file with ``\n`` at the ends of its lines.

    Raises:
        UserError: it cannot be read, is no text, or has a character that no table has.
    """
    try:
        text = decode(path.read_bytes(), path, notes)
    except FileNotFoundError as error:
        raise UserError("no such file", code="missing-file", where=str(path), hint="check its path") from error
    except OSError as error:
        message, hint = f"the table cannot be read: {error.strerror}", "give a file that you may read"
        raise UserError(message, code="unreadable-file", where=str(path), hint=hint) from error
    except UnicodeDecodeError as error:
        message, hint = f"the table cannot be read: {error}", "save it as CSV in UTF-8"
        raise UserError(message, code="unreadable-file", where=str(path), hint=hint) from error
    if "\r" in text:
        text = text.replace("\r\r\n", "\n").replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
    for character, name in (("\r", "a stray carriage return"), ("\0", "a NUL character")):
        if character in text:
            line = text.count("\n", 0, text.index(character)) + 1
            raise UserError(f"{name} in the table", code="not-csv", where=f"{path}, line {line}", hint=RESTORE)
    return text


def decode(content: bytes, path: Path, notes: Notes) -> str:
    """The text of bytes in UTF-8, or in what their byte order mark says."""
    encoding = find_encoding(content[:4], path)
    if encoding != "utf-8-sig":
        notes.add(f"file in {encoding.upper()}")
    return content.decode(encoding)


def find_encoding(start: bytes, path: Path) -> str:
    """Return the encoding by the first bytes of a file.

    Raises:
        UserError: they are those of no text.
    """
    for mark, (kind, hint) in NO_CSV.items():
        if start.startswith(mark):
            raise UserError(f"no text, but {kind}", code="not-csv", where=str(path), hint=hint)
    return next((encoding for mark, encoding in WIDE.items() if start.startswith(mark)), "utf-8-sig")
