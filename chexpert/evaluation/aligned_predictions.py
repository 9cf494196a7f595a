"""Several models on the same rows: what a paired comparison is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chexpert.errors import ProblemError
from chexpert.evaluation.candidates import Entrant
from chexpert.evaluation.join import Judged, join
from chexpert.evaluation.predictions import Named, strip_copy
from chexpert.metrics import find_study, number_studies
from chexpert.observations import COMPETITION


@dataclass(frozen=True)
class Lineup:
    """M models on N rows that all have.

    Attributes:
        names: of the M models.
        rows: names of the N views or studies.
        studies: (N,) int, of each row the number of its study.
        observations: names of the C columns.
        scores: (M, N, C) float64.
        labels: (N, C) in {1, 0, NaN}.
        level: ``image`` or ``study``.
        views: ``max`` or ``mean`` over the views of a study.
        left_out: of each model, how many of its rows not all others have, or have no label.
        labels_left_out: how many labelled rows not all models have.
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


def line_up(
    entrants: Sequence[Entrant],
    labels: Named | None,
    level: str,
    views: str,
    over: Sequence[str] | None = None,
    hashed_by: Sequence[Path] = (),
) -> Lineup:
    """Brings the models to the rows that all have.

    Args:
        entrants: M of them.
        labels: what those are judged by that have no labels of their own.
        level: ``image`` or ``study``.
        views: ``max`` or ``mean`` over the views of a study.
        over: observations to compare; by default those of the competition that the first has.
        hashed_by: runs that hashed the names in files of predictions.

    Raises:
        ProblemError: labels are missing or contradict each other, no row is shared, an observation is missing.
    """
    judged = [judge(entrant, labels, level, views, hashed_by) for entrant in entrants]
    over = list(over) if over else choose_observations(judged[0])
    for entrant, own in zip(entrants, judged, strict=True):
        check_observations(entrant, own, over, choose=choose_observations(own))
    places = [{strip_copy(name): row for row, name in enumerate(own.names)} for own in judged]
    shared = [name for name in places[0] if all(name in own for own in places)]
    if not shared:
        where, mend = ", ".join(entrant.name for entrant in entrants), "compare models on the same films"
        raise ProblemError("no row is shared by all", where=where, mend=mend)
    picked = [take(own, [place[name] for name in shared], over) for own, place in zip(judged, places, strict=True)]
    for entrant, (_, truth) in zip(entrants, picked, strict=True):
        check_labels(entrants[0], entrant, picked[0][1], truth, shared)
    studies = shared if level == "study" else [find_study(name) for name in shared]
    return Lineup(
        [entrant.name for entrant in entrants], shared, number_studies(studies)[0], over,
        np.stack([scores for scores, _ in picked]), picked[0][1], level, views,
        [count(own, "predictions") - len(shared) for own in judged],
        max(count(own, "labels") for own in judged) - len(shared),
    )  # fmt: skip


def count(judged: Judged, side: str) -> int:
    """Rows of one side, ``predictions`` or ``labels``, before they were joined."""
    return len(judged.names) + len(judged.left_out[side])


def judge(entrant: Entrant, labels: Named | None, level: str, views: str, hashed_by: Sequence[Path] = ()) -> Judged:
    """One model's scores beside its labels."""
    known = entrant.labels or labels
    if known is None:
        mend = "give the labels of these films: --labels L.csv"
        raise ProblemError("a file of predictions has no labels", where=entrant.name, mend=mend)
    return join(entrant.predictions, known, level, views, hashed_by)


def choose_observations(judged: Judged) -> list[str]:
    """Those of the competition, or where there are none, all."""
    found = [name for name in COMPETITION if name in judged.observations]
    return found or list(judged.observations)


def check_observations(entrant: Entrant, judged: Judged, over: Sequence[str], *, choose: Sequence[str]) -> None:
    """Refuses a model of other observations than those that are compared."""
    missing = [name for name in over if name not in judged.observations]
    if missing:
        what = f"another set of observations: it has {', '.join(choose)}, and no {', '.join(missing)}"
        mend = "compare what all have: --mean-over NAME ..."
        raise ProblemError(what, where=entrant.name, mend=mend)


def take(judged: Judged, rows: Sequence[int], over: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels (n, C) of these rows and observations."""
    columns = [list(judged.observations).index(name) for name in over]
    return judged.scores[np.ix_(rows, columns)], judged.labels[np.ix_(rows, columns)]


def check_labels(first: Entrant, other: Entrant, own: np.ndarray, theirs: np.ndarray, rows: Sequence[str]) -> None:
    """Refuses models that were judged by different labels."""
    differ = ~((own == theirs) | (np.isnan(own) & np.isnan(theirs))).all(1)
    if differ.any():
        what = f"{int(differ.sum())} rows have other labels, first {rows[int(differ.argmax())]}"
        where = f"{first.name} and {other.name}"
        raise ProblemError(what, where=where, mend="judge both by the same: --labels L.csv")
