"""Read a file of corrected labels: rows named by Path or Study, an observation, and the label that it should have."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chexpert.errors import Code, UserError
from chexpert.observations import OBSERVATIONS, find_observation
from chexpert.runs.anonymize import is_hash
from chexpert.tables.csv_text import LABELS, Records, read_records

COLUMNS = ("observation", "corrected")
BEFORE = "label"
"""The column of the label that a row was listed with; the file may lack it."""
BLANK = "blank"
"""The word for a blank label, since an empty cell is a row that nobody has corrected."""
PLACE = re.compile(
    r"(?:.*[/\\])?(patient[0-9]{5})[/\\_](study[1-9][0-9]*)(?:[/\\_](view[1-9][0-9]*_(?:frontal|lateral))(?:\.\w+)?)?/?"
)
VALUES = {text: float(label) for text, label in LABELS.items() if label} | {BLANK: np.nan}


@dataclass(frozen=True)
class Correction:
    """One corrected label.

    Attributes:
        line: of the file.
        name: of the view or study, as the file has it.
        patient: such as ``patient00001``.
        study: such as ``study1``.
        view: such as ``view1_frontal``; None for all views of the study.
        observation: its name in CheXpert.
        label: 1, 0, -1, or NaN for a blank.
        before: the label with which the row was listed, likewise; None where the file does not say.
    """

    line: int
    name: str
    patient: str
    study: str
    view: str | None
    observation: str
    label: float
    before: float | None


@dataclass(frozen=True)
class CorrectionFile:
    """A file of corrections: its path, SHA-256, and the rows with a correction."""

    path: Path
    sha256: str
    rows: list[Correction]

    def refuse(self, row: Correction, message: str, hint: str, code: Code) -> None:
        """Raise the error of a row."""
        raise UserError(message, code=code, where=f"{self.path}, line {row.line}", hint=hint)


def read_corrections(path: Path) -> CorrectionFile:
    """Read a file with the columns ``Path`` or ``Study``, ``observation`` and ``corrected``, in any order.

    ``chexpert audit-labels`` writes such a file. ``corrected`` is 1, 0, -1, the word ``blank``, or empty where the
    label stays. Where there is a column ``label``, it is the label before.

    Raises:
        UserError: the file cannot be read, lacks a column, corrects nothing, or has a row with no view of CheXpert, an
            unknown observation, or a value that is no label.
    """
    records = read_records(path)
    key = _read_key(records)
    before = records.column(BEFORE) if BEFORE in records.header else [""] * len(records.rows)
    cells = zip(records.lines, records.column(key), *map(records.column, COLUMNS), before, strict=True)
    rows = [_read_row(path, key, *own) for own in cells if own[3]]
    records.notes.print()
    if not rows:
        hint = f"fill in the column {COLUMNS[1]}: 1, 0, -1 or {BLANK}; or leave data.corrections out"
        raise UserError("no row has a correction", code="empty-table", where=str(path), hint=hint)
    return CorrectionFile(path, hashlib.sha256(path.read_bytes()).hexdigest(), rows)


def _read_key(records: Records) -> str:
    """Return Path or Study, whichever column there is; the other wanted columns are there once."""
    keys = [name for name in ("Path", "Study") if name in records.header]
    wrong = [name for name in (*keys, *COLUMNS, BEFORE) if records.header.count(name) > 1]
    missing = [name for name in COLUMNS if name not in records.header]
    if len(keys) == 1 and not wrong and not missing:
        return keys[0]
    code: Code = "repeated" if wrong else "ambiguous-column" if len(keys) > 1 else "missing-column"
    found = [f"{name!r} stands twice" for name in wrong] + [f"no column {name!r}" for name in missing]
    found += [] if keys else ["no column 'Path' or 'Study'"]
    message = "not the columns of corrections: " + (", ".join(found) or "both Path and Study")
    hint = "Path or Study, observation and corrected, as chexpert audit-labels writes them"
    raise UserError(message, code=code, where=f"{records.path}, line 1", hint=hint)


def _read_row(path: Path, key: str, line: int, name: str, observation: str, corrected: str, before: str) -> Correction:
    def refuse(column: str, message: str, hint: str, code: Code = "cell") -> UserError:
        return UserError(message, code=code, where=f"{path}, line {line}, column {column}", hint=hint)

    place = PLACE.fullmatch(name)
    if not place or bool(place[3]) != (key == "Path"):
        hint = "name it as train.csv does; a list with hashed names is written again by --ids path, in the same order"
        hint = (
            hint
            if is_hash(name)
            else f"name it as train.csv does: .../patientNNNNN/studyN{'/viewN_kind.jpg' * (key == 'Path')}"
        )
        raise refuse(key, f"no {'view' if key == 'Path' else 'study'} of CheXpert: {name!r}", hint, "unknown-view")
    known = find_observation(observation)
    if not known:
        hint = f"one of {', '.join(OBSERVATIONS)}"
        raise refuse(COLUMNS[0], f"unknown observation: {observation!r}", hint, "unknown-observation")
    for column, cell in ((COLUMNS[1], corrected), (BEFORE, before)):
        if cell and cell.lower() not in VALUES:
            hint = f"1, 0, -1, or the word {BLANK} for a blank label; leave the cell empty where the label stays"
            raise refuse(column, f"not a label: {cell!r}", hint)
    label, old = VALUES[corrected.lower()], VALUES[before.lower()] if before else None
    return Correction(line, name, place[1], place[2], place[3], known, label, old)
