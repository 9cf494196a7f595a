"""Operating points of human readers, to stand beside a model's ROC curve."""

from dataclasses import dataclass
from pathlib import Path

from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import CsvColumns, suggest
from chexpert.observations import find_observation

COLUMNS = ("observation", "reader", "sensitivity", "specificity")


@dataclass(frozen=True)
class ReaderPoint:
    """Sensitivity and specificity, in [0, 1], of a reader for an observation."""

    reader: str
    sensitivity: float
    specificity: float


def read_readers(path: Path) -> dict[str, list[ReaderPoint]]:
    """Read a CSV file of readers' points, with the columns ``COLUMNS``.

    Returns:
        The points of each observation, in the order of the file.

    Raises:
        UserError: a column is missing, an observation is unknown, a number is outside [0, 1], or a reader stands twice
            for an observation.
    """
    cells = CsvColumns(path)
    names = {name.strip().lower(): name for name in cells.header}
    if missing := [name for name in COLUMNS if name not in names]:
        message, hint = f"missing: {', '.join(missing)}", f"the columns {', '.join(COLUMNS)}"
        raise UserError(message, code="missing-column", where=f"{path}, line 1", hint=hint)
    observed, readers = (cells.columns[names[name]] for name in COLUMNS[:2])
    shares = {name: cells.numbers(names[name]) for name in COLUMNS[2:]}
    found: dict[str, list[ReaderPoint]] = {}
    for row, (given, reader) in enumerate(zip(observed, readers, strict=True)):
        observation = find_observation(given)
        if observation is None:
            cells.refuse(row, names["observation"], "unknown observation", suggest([given]), code="unknown-observation")
            continue
        for name, values in shares.items():
            if not 0 <= values[row] <= 1:
                cells.refuse(row, names[name], "not a share", "a number from 0 to 1", code="value")
        points = found.setdefault(observation, [])
        if any(point.reader == reader for point in points):
            cells.refuse(row, names["reader"], f"stands twice for {observation}", "keep one row", code="repeated")
        points.append(ReaderPoint(reader, *(float(values[row]) for values in shares.values())))
    return found
