"""The rows that go to a reader: so many, all but a share, or so many that the risk of the rest is small enough."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.selective.confidence import Confidences
from chexpert.metrics.risk_coverage import count_kept, risk_coverage
from chexpert.runs import files as run_files


@dataclass(frozen=True)
class DeferredRow:
    """A row that goes to a reader.

    Attributes:
        name: of the view or study.
        confidence: mean over the observations, by which it was chosen.
        observation: the one that the model is least sure of.
        probability: of that observation.
    """

    name: str
    confidence: float
    observation: str
    probability: float


@dataclass(frozen=True)
class Cutoff:
    """A confidence below which rows are deferred, chosen on other rows.

    Attributes:
        confidence: the lowest one that is kept.
        coverage: share of the rows it was chosen on that are kept.
        risk: their risk.
        n: rows that it was chosen on.
    """

    confidence: float
    coverage: float
    risk: float
    n: int


def rank_rows(confidences: Confidences, kind: str) -> tuple[list[DeferredRow], np.ndarray]:
    """Return all N rows, the least sure first, and the places (N,) that they have in the confidences.

    Rows of equal confidence are in the order of their names, so that the order of a file changes nothing.

    The observation is the one of the lowest confidence in the row, the first of the columns among equal ones.
    """
    values = confidences.values[kind]
    means, least = values.mean(1), values.argmin(1)
    order = sorted(range(len(means)), key=lambda row: (means[row], strip_copy(confidences.names[row])))
    rows = [
        DeferredRow(
            confidences.names[row],
            float(means[row]),
            confidences.observations[least[row]],
            float(confidences.probabilities[row, least[row]]),
        )
        for row in order
    ]
    return rows, np.array(order)


def count_deferred(rows: int, count: int | None, coverage: float | None) -> int:
    """Return how many rows are deferred: so many, or all but a share of them.

    Raises:
        UserError: there are fewer rows, or the share is none.
    """
    if count is not None:
        if not 0 < count <= rows:
            message = f"{count} rows to defer, and there are {rows}"
            raise UserError(message, code="value", where=f"--count {count}", hint=f"--count N, from 1 to {rows}")
        return count
    assert coverage is not None
    if not 0 < coverage < 1:
        message = "a coverage is the share of rows that the model decides"
        hint = "between 0 and 1, such as --coverage 0.8"
        raise UserError(message, code="value", where=f"--coverage {coverage:g}", hint=hint)
    return rows - count_kept(rows, coverage)


def choose_cutoff(confidence: np.ndarray, losses: np.ndarray, risk: float, where: str) -> Cutoff:
    """Choose the lowest confidence at which the risk of these rows is at most ``risk``.

    Args:
        confidence: (n,) of the rows to choose on.
        losses: (n,) likewise.
        risk: the largest mean loss of the rows that are kept.
        where: the rows, for the error.

    Raises:
        UserError: no coverage has so small a risk, or all rows have it.
    """
    curve = risk_coverage(confidence, losses)
    coverage, lowest = curve.coverage(risk)
    if not coverage:
        least = float((curve.losses / curve.kept).min()) if curve.n else math.nan
        message = f"no coverage has so small a risk: the least is {least:.4g}, on {curve.n} rows of {where}"
        hint = f"--risk {math.ceil(least * 1000) / 1000:g} or more, or --count N" if curve.n else "--count N"
        raise UserError(message, code="value", where=f"--risk {risk:g}", hint=hint)
    return Cutoff(lowest, coverage, curve.risk(coverage), curve.n)


def write_deferred(path: Path, rows: Sequence[DeferredRow], key: str) -> None:
    """Write the list of rows as CSV, the least sure first.

    Args:
        path: a new file.
        rows: in their order.
        key: ``Path`` or ``Study``.
    """
    header = [key, "Confidence", "Observation", "Probability"]
    lines = ([row.name, f"{row.confidence:.9g}", row.observation, f"{row.probability:.9g}"] for row in rows)
    run_files.write_table(path, header, lines)
