"""Read files of predictions and of labels by column name; each error names its file and line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import CsvColumns, find_close, names_set, strip_copy, suggest
from chexpert.evaluation.group_values import find_circumstances, name_prior
from chexpert.metrics import find_study, number_studies, reduce_labels, reduce_scores
from chexpert.observations import OBSERVATIONS


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

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of each name, whichever copy of CheXpert it is from."""
        return {strip_copy(name): row for row, name in enumerate(self.names)}

    @cached_property  # the evaluation settings join a file several times
    def in_order(self) -> "Named":
        """Return the rows by name, 2 before 10: samples of them do not depend on the order of the file."""
        order = sorted(range(len(self.names)), key=lambda row: _count_through(self.names[row]))
        groups = {group: [values[row] for row in order] for group, values in self.groups.items()}
        columns = {name: values[order] for name, values in self.columns.items()}
        return Named(self.path, self.key, [self.names[row] for row in order], columns, groups)


def _count_through(name: str) -> tuple[list[str | int], str]:
    parts = re.split("([0-9]+)", strip_copy(name))
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def read_predictions(path: Path) -> Named:
    """Read scores of views (``Path``) or studies (``Study``), one column for each observation.

    Columns that resemble no observation, those of prediction sets, and rows that a gate has refused are skipped with a
    note.

    Args:
        path: CSV file.

    Returns:
        N rows by name, with a column (N,) float64 for each observation.

    Raises:
        UserError: a column that is nearly the name of an observation, no column of an observation, a row that stands
            twice, a score that is no finite number, or a file that cannot be read.
    """
    cells = CsvColumns(path)
    (name, key), found = cells.key(), cells.observations()
    cells.leave_out_refused(found.values())
    others = [column for column in cells.header if column not in (name, *found.values(), *cells.unnamed)]
    if close := [column for column in others if find_close(column) and not names_set(column)]:
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
    cells = CsvColumns(path)
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
    if any(priors := [name_prior(row) for row in cells.columns[name]]):
        groups.setdefault("prior", priors)
    return Named(path, key, cells.columns[name], columns, groups)


def to_studies(rows: Named, views: str = "max", *, labels: bool = False) -> Named:
    """Return the studies of views, each with the score over its views, or the label that its views share.

    Args:
        rows: N views; studies are returned as they are.
        views: score of a study from its views, one of ``STUDY_SCORES``.
        labels: whether the columns are labels, which must be equal within a study.

    Returns:
        S studies in the order of their first views. The value of a group is the one that the views share, or ``mixed``.

    Raises:
        UserError: the views of a study have different labels, or ``noisy_or`` of scores outside [0, 1].
    """
    if rows.key == "Study":
        return rows
    studies = [find_study(name) for name in rows.names]
    numbers, _ = number_studies(list(map(strip_copy, studies)))  # views of one study may be spelled as of two copies
    names = [studies[row] for row in np.unique(numbers, return_index=True)[1]]
    stacked = np.column_stack(list(rows.columns.values()))
    if labels:
        reduced = reduce_labels(numbers, stacked, names)
    else:
        reduced = reduce_scores(numbers, stacked, views, where=str(rows.path))
    groups = {group: _share(values, numbers, len(names)) for group, values in rows.groups.items()}
    return Named(rows.path, "Study", names, dict(zip(rows.columns, reduced.T, strict=True)), groups)


def _share(values: Sequence[str], numbers: np.ndarray, count: int) -> list[str]:
    found: list[set[str]] = [set() for _ in range(count)]
    for number, value in zip(numbers, values, strict=True):
        if value:
            found[number].add(value)
    return ["mixed" if len(own) > 1 else "".join(own) for own in found]
