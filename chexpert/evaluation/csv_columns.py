"""The cells of a CSV file of predictions or labels."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from chexpert.errors import Code, UserError
from chexpert.observations import OBSERVATIONS, find_observation
from chexpert.runs import files as run_files
from chexpert.runs.identifiers import ORIGIN
from chexpert.tables.csv_text import LABELS, NUMBER, read_records

KEYS = {"path": "Path", "study": "Study", "study_id": "Study"}
"""The column that names the rows, views or studies, in small letters; the last is MIMIC-CXR's."""
IDS = re.compile(r"(?:Unnamed: \d+)?|index|level_\d+|subject_id", re.IGNORECASE)
"""Columns that number the rows, as pandas leaves and calls them, or the patients: no groups."""
PATIENT = re.compile(
    r"(?:^|/)(?:(patient\d+/study\d+(?:[_-]\d+)*(?:/.*?)?)(?:\.(?i:jpe?g|png))?|p\d{8}/(s\d{8}(?:/.*)?))$"
)
"""What is the same of a view or study in every copy of CheXpert or MIMIC-CXR; before it stand the folder and split."""
OWN_STUDY = re.compile(r"s?([0-9]{8})(?:\.0)?")
"""A study of MIMIC-CXR, as its tables or folders number it."""

SET = " set"
"""After the name of an observation, the column of its prediction sets."""


class CsvColumns:
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

    def refuse(self, row: int, column: str, message: str, hint: str, code: Code = "cell") -> None:
        """Raise the error of a cell."""
        message = f"{message}: {self.columns[column][row]!r}"
        raise UserError(message, code=code, where=f"{self.path}, line {self.lines[row]}, column {column}", hint=hint)

    def key(self) -> tuple[str, str]:
        """Return the column that names the rows, and whether by Path or by Study; each name stands once."""
        found = [name for name in self.header if name.lower() in KEYS]
        if len(found) != 1:
            message = "both Path and Study" if found else "no column that names the rows"
            raise UserError(
                message,
                code="ambiguous-column" if found else "missing-column",
                where=f"{self.path}, line 1",
                hint="name the rows by Path or by Study",
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
            if not name:
                self.refuse(row, found[0], "no name", "name each row")
            if name in seen:
                self.refuse(row, found[0], "this row stands twice", "keep one row of each", code="repeated")
            seen.add(name)
        return found[0], KEYS[found[0].lower()]

    def leave_out_refused(self, observations: Iterable[str]) -> None:
        """Drop, with a note, the rows without any number that ``chexpert predict --gate refuse`` has flagged.

        Args:
            observations: columns of the numbers.
        """
        flags, columns = self.columns.get(run_files.FLAGS), [self.columns[name] for name in observations]
        if flags is None:
            return
        refused = {row for row, flag in enumerate(flags) if flag and not any(own[row] for own in columns)}
        if len(refused) == len(flags):
            hint = "predict again with --gate flag"
            message = f"all {len(flags)} rows were refused: none has a probability"
            raise UserError(message, code="empty-table", where=str(self.path), hint=hint)
        if refused:
            kept = [row for row in range(len(flags)) if row not in refused]
            self.columns = {name: [own[row] for row in kept] for name, own in self.columns.items()}
            self.lines = [self.lines[row] for row in kept]
            self.notes.add("rows without probabilities left out: the gate refused them", count=len(refused))

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


def names_set(column: str) -> bool:
    """Return whether a column is of prediction sets.

    >>> names_set("Edema set"), names_set("Edema"), names_set("data set")
    (True, False, False)
    """
    return column.endswith(SET) and find_observation(column.removesuffix(SET)) is not None


def find_close(name: str) -> list[str]:
    """Return the observation that a column may mean, if one is near; part of a name is near, too."""
    near = [observation for observation in OBSERVATIONS if observation.lower() in name.lower().replace("_", " ")]
    return near[-1:] or difflib.get_close_matches(name.title(), OBSERVATIONS, n=1)


def suggest(unknown: Sequence[str]) -> str:
    """Return a hint that corrects the names of columns."""
    close = [match for name in unknown for match in find_close(name)]
    return f"did you mean {', '.join(close)}?" if close else f"drop it; known are {', '.join(OBSERVATIONS)}"


def strip_copy(name: str) -> str:
    """Return the name of a view or study without the dataset folder and the split; any other name stays as it is.

    CheXpert's names also lose their ending .jpg, .jpeg or .png, MIMIC-CXR's the folder of the patient. Another data set
    that numbers its patients as CheXpert does keeps its folder: the same number there is another patient.

    Args:
        name: path of a view or study.

    Returns:
        The part of the name that is the same in every folder of CheXpert or MIMIC-CXR.

    >>> strip_copy("CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"), strip_copy("ward/image.png")
    ('patient64541/study1/view1_frontal', 'ward/image.png')
    >>> strip_copy("ChestX-ray14/patient00001/study1")
    'ChestX-ray14/patient00001/study1'
    """
    path = name.replace("\\", "/").rstrip("/")
    found, origin = PATIENT.search(path), ORIGIN.search(path)
    if not found:
        return name
    return found[2] or (f"{origin[1]}/{found[1]}" if origin else found[1])
