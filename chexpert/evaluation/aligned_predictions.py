"""Several models on the same rows: what a paired comparison is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.candidates import Candidate
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.join import LabeledScores, join_labels
from chexpert.evaluation.predictions import Named
from chexpert.metrics import number_units
from chexpert.observations import COMPETITION


@dataclass(frozen=True)
class AlignedPredictions:
    """M models on N rows that all have.

    Attributes:
        names: of the M models.
        rows: names of the N views or studies.
        studies: (N,) int, of each row the number of its study, or of its patient in external data sets: what is
            resampled.
        observations: names of the C columns.
        scores: (M, N, C) float64.
        labels: (N, C) in {1, 0, NaN}.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        left_out: of each model, how many of its rows not all others have, or have no label.
        labels_left_out: how many labeled rows not all models have.
    """

    names: Sequence[str]
    rows: Sequence[str]
    studies: np.ndarray
    observations: Sequence[str]
    scores: np.ndarray
    labels: np.ndarray
    level: str
    views: str
    left_out: Sequence[int]
    labels_left_out: int


def align_predictions(
    candidates: Sequence[Candidate],
    labels: Named | None,
    level: str,
    views: str,
    over: Sequence[str] | None = None,
    hashed_by: Sequence[Path] = (),
) -> AlignedPredictions:
    """Align the models to the rows that all have.

    Args:
        candidates: M of them.
        labels: what those are evaluated by that have no labels of their own.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        over: observations to compare; by default those of the competition that the first has.
        hashed_by: runs that hashed the names in files of predictions.

    Raises:
        UserError: labels are missing or contradict each other, no row is shared, an observation is missing.
    """
    labeled = [join_candidate(candidate, labels, level, views, hashed_by) for candidate in candidates]
    over = list(over) if over else choose_observations(labeled[0])
    for candidate, own in zip(candidates, labeled, strict=True):
        check_observations(candidate, own, over, choose=choose_observations(own))
    places = [{strip_copy(name): row for row, name in enumerate(own.names)} for own in labeled]
    shared = [name for name in places[0] if all(name in own for own in places)]
    if not shared:
        where, hint = ", ".join(candidate.name for candidate in candidates), "compare models on the same images"
        raise UserError("no row is shared by all", code="no-overlap", where=where, hint=hint)
    picked = [take(own, [place[name] for name in shared], over) for own, place in zip(labeled, places, strict=True)]
    for candidate, (_, truth) in zip(candidates, picked, strict=True):
        check_labels(candidates[0], candidate, picked[0][1], truth, shared)
    return AlignedPredictions(
        [candidate.name for candidate in candidates], shared, number_units(shared, level)[0], over,
        np.stack([scores for scores, _ in picked]), picked[0][1], level, views,
        [count(own, "predictions") - len(shared) for own in labeled],
        max(count(own, "labels") for own in labeled) - len(shared),
    )  # fmt: skip


def count(labeled: LabeledScores, side: str) -> int:
    """Return the number of rows of one side, ``predictions`` or ``labels``, before they were joined."""
    return len(labeled.names) + len(labeled.left_out[side])


def join_candidate(
    candidate: Candidate, labels: Named | None, level: str, views: str, hashed_by: Sequence[Path] = ()
) -> LabeledScores:
    """Return one model's scores joined with its labels."""
    known = candidate.labels or labels
    if known is None:
        hint = "give the labels of these images: --labels L.csv"
        raise UserError("a file of predictions has no labels", code="missing-labels", where=candidate.name, hint=hint)
    return join_labels(candidate.predictions, known, level, views, hashed_by)


def choose_observations(labeled: LabeledScores) -> list[str]:
    """Return the competition's observations, or where there are none, all."""
    found = [name for name in COMPETITION if name in labeled.observations]
    return found or list(labeled.observations)


def check_observations(
    candidate: Candidate, labeled: LabeledScores, over: Sequence[str], *, choose: Sequence[str]
) -> None:
    """Raise an error if a model does not have all compared observations."""
    missing = [name for name in over if name not in labeled.observations]
    if missing:
        message = f"another set of observations: it has {', '.join(choose)}, and no {', '.join(missing)}"
        hint = "compare what all have: --mean-over NAME ..."
        raise UserError(message, code="other-observations", where=candidate.name, hint=hint)


def take(labeled: LabeledScores, rows: Sequence[int], over: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and labels (n, C) of these rows and observations."""
    columns = [list(labeled.observations).index(name) for name in over]
    return labeled.scores[np.ix_(rows, columns)], labeled.labels[np.ix_(rows, columns)]


def check_labels(first: Candidate, other: Candidate, own: np.ndarray, theirs: np.ndarray, rows: Sequence[str]) -> None:
    """Raise an error if two models were evaluated by different labels."""
    differ = ~((own == theirs) | (np.isnan(own) & np.isnan(theirs))).all(1)
    if differ.any():
        message = f"{int(differ.sum())} rows have other labels, first {rows[int(differ.argmax())]}"
        where = f"{first.name} and {other.name}"
        raise UserError(message, code="label-conflict", where=where, hint="evaluate both by the same: --labels L.csv")
