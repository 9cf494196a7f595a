"""Scores, labels and studies as arrays of the same rows: aligned and checked, for the functions that users call."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

LABELS = "labels are 0, 1, or NaN where there is none: CheXpert's -1 (uncertain) is NaN, or as a LabelPolicy has it"
ARRAYS = "give both the same names, or arrays: table.to_numpy()"


class Rows(NamedTuple):
    """Arrays of the same N rows.

    Attributes:
        scores: one array (N,) or (N, C) float64 for each model.
        labels: float64 of the same shape, in {0, 1, NaN}.
        studies: (N,) int, of each row the number of its study, from 0 on.
    """

    scores: list[np.ndarray]
    labels: np.ndarray
    studies: np.ndarray


def read_rows(
    scores: Sequence[ArrayLike],
    labels: ArrayLike,
    studies: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    dimensions: Sequence[int] = (1,),
    probabilities: bool = False,
) -> Rows:
    """Return arrays of the same rows; pandas tables are joined by their index and columns.

    Args:
        scores: one table or array for each model.
        labels: of the same shape, in {0, 1, NaN}.
        studies: (N,) ids of any one type; None: each row is a study.
        mask: of the shape of the labels, bool, False where there is no label.
        dimensions: how many the scores may have.
        probabilities: whether scores lie in [0, 1]; otherwise any finite number is one.

    Raises:
        ValueError: tables of other rows or columns, shapes that differ, or a label, score or study that is none.
    """
    *scores, labels, studies, mask = align_tables(*scores, labels, studies, mask)
    arrays, truth = [to_array(own) for own in scores], to_array(labels)
    shapes = [part.shape for part in (*arrays, truth)] + ([] if mask is None else [np.shape(mask)])
    if len(set(shapes)) > 1 or truth.ndim not in dimensions:
        wanted = " or ".join("(N,)" if count == 1 else "(N, C)" for count in dimensions)
        raise ValueError(f"scores and labels have one shape, {wanted}, and not {', '.join(map(str, shapes))}")
    if mask is not None:
        truth = np.where(np.asarray(mask, bool), truth, np.nan)
    check_labels(truth)
    for own in arrays:
        check_scores(own[~np.isnan(truth)], probabilities=probabilities)
    return Rows(arrays, truth, np.arange(len(truth)) if studies is None else number_ids(studies, len(truth)))


def read_labeled(scores: ArrayLike, labels: ArrayLike, *, probabilities: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and labels (n,) of the rows that have a label; see :func:`read_rows`."""
    (own,), truth, _ = read_rows([scores], labels, probabilities=probabilities)
    known = ~np.isnan(truth)
    return own[known], truth[known]


def align_tables(*parts: Any) -> list[Any]:
    """Return the parts; of pandas tables the rows and columns are in the order of the first table's.

    Raises:
        ValueError: the tables have other rows or columns.
    """
    tables = [part for part in parts if hasattr(part, "reindex")]  # pandas is not imported for those without tables
    return [_align(part, tables[0]) if hasattr(part, "reindex") else part for part in parts]


def _align(table: Any, first: Any) -> Any:
    for axis, kind in (("index", "rows"), ("columns", "columns")):
        own, wanted = getattr(table, axis, None), getattr(first, axis, None)
        if own is None or wanted is None or own.equals(wanted):
            continue
        same = len(own) == len(wanted) and own.is_unique and wanted.is_unique and own.isin(wanted).all()
        if not same:
            raise ValueError(f"tables of other {kind}, {len(wanted)} and {len(own)}: {ARRAYS}")
        table = table.reindex(**{axis: wanted})
    return table


def to_array(values: ArrayLike) -> np.ndarray:
    """Return float64 numbers.

    Raises:
        ValueError: some are none, or a tensor is part of a graph or on a device.
    """
    try:
        return np.asarray(values, "float64")
    except (RuntimeError, TypeError) as error:  # torch's
        raise ValueError(f"no array of numbers ({error}); of a tensor give tensor.detach().cpu()") from error


def check_labels(labels: np.ndarray) -> None:
    """Check that labels are 0, 1 or NaN."""
    wrong = ~((labels == 0) | (labels == 1) | np.isnan(labels))
    if wrong.any():
        raise ValueError(f"a label is {labels[wrong][0]:g}; {LABELS}")


def check_scores(scores: np.ndarray, *, probabilities: bool = False) -> None:
    """Check that scores are finite, or in [0, 1]."""
    right = (scores >= 0) & (scores <= 1) if probabilities else np.isfinite(scores)
    if not right.all():
        wanted = "probabilities in [0, 1]" if probabilities else "finite numbers"
        raise ValueError(f"a score is {scores[~right][0]:g}; scores are {wanted}")


def number_ids(studies: ArrayLike, rows: int) -> np.ndarray:
    """Return of each row the number of its study, (N,) int from 0 on.

    Args:
        studies: (N,) ids of any one type.
        rows: N.

    Raises:
        ValueError: there are more or fewer ids than rows, one is missing, or they are of several types.

    >>> number_ids(["b", "a", "b"], 3)
    array([1, 0, 1])
    """
    ids = np.asarray(studies)
    if ids.shape != (rows,):
        raise ValueError(f"studies have the shape {ids.shape}, and there are {rows} rows: give one id for each row")
    try:
        missing = bool((ids != ids).any())
        numbers: np.ndarray = np.unique(ids, return_inverse=True)[1]
    except TypeError as error:
        raise ValueError("studies are of several types: give ids of one type, all of them there") from error
    if missing:
        raise ValueError("the id of a study is missing: give one for each row")
    return numbers
