"""Rank the labels of views that are most likely wrong, and the uncertain ones that a model resolves most clearly."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chexpert.errors import UserError
from chexpert.metrics.label_issues import (
    METHODS,
    LabelErrors,
    adjust_probabilities,
    compute_thresholds,
    estimate_errors,
    score_labels,
    suggest_labels,
)
from chexpert.runs import files as run_files

TOP = "0.05"
HEADER = ("Path", "observation", "label", "probability", "score", "rank", "suggested", "expected_share", "corrected")
BLANKS = ("negative", "leave-out")
SPELLED = {1.0: "1", 0.0: "0", -1.0: "-1"}


@dataclass(frozen=True)
class LabelIssue:
    """A label that may be wrong.

    Attributes:
        row: number of the view.
        observation: its name.
        label: ``1``, ``0``, ``-1`` or ``blank``.
        probability: of the observation, by a model that did not learn from this label.
        score: in [0, 1], the lowest first.
        rank: among the labels of the observation, from 1 on.
        suggested: ``1`` or ``0`` where the probability is confident of it, else empty.
        expected_share: share of the labels of this value that are expected to be wrong; NaN of an uncertain label.
    """

    row: int
    observation: str
    label: str
    probability: float
    score: float
    rank: int
    suggested: str
    expected_share: float


@dataclass(frozen=True)
class ObservationIssues:
    """The audit of an observation.

    Attributes:
        observation: its name.
        positives: labels 1.
        negatives: labels 0, with the blank ones where these count as negative.
        blanks: blank labels.
        uncertain: uncertain labels.
        thresholds: mean self-confidence of the negatives and of the positives; NaN where nothing could be ranked.
        errors: shares of wrong labels that are expected.
        issues: the listed labels, the most likely wrong first.
        resolved: the listed uncertain labels, the most clearly resolved first.
    """

    observation: str
    positives: int
    negatives: int
    blanks: int
    uncertain: int
    thresholds: tuple[float, float]
    errors: LabelErrors
    issues: Sequence[LabelIssue]
    resolved: Sequence[LabelIssue]


def rank_issues(
    observation: str,
    labels: np.ndarray,
    probabilities: np.ndarray,
    top: str = TOP,
    blank: str = BLANKS[0],
    method: str = METHODS[0],
) -> ObservationIssues:
    """Rank the labels of an observation.

    Args:
        observation: its name.
        labels: (N,) in {1, 0, -1, NaN}.
        probabilities: (N,) in [0, 1], by models that did not learn from these labels.
        top: how many labels to list, such as ``50``, or the share of them, such as ``0.05``.
        blank: ``negative``: a blank label is ranked with the labels 0; ``leave-out``: it is not ranked.
        method: of the score, one of ``METHODS``.
    """
    empty, uncertain = np.isnan(labels), labels == -1
    ranked = np.flatnonzero(~uncertain & (~empty if blank == BLANKS[1] else True))
    given = (labels[ranked] == 1).astype(int)
    counts = int(given.sum()), int((1 - given).sum()), int(empty.sum()), int(uncertain.sum())
    if not counts[0] or not counts[1]:
        nothing = LabelErrors(math.nan, math.nan)
        return ObservationIssues(observation, *counts, (math.nan, math.nan), nothing, [], [])
    own = probabilities[ranked]
    thresholds, errors = compute_thresholds(given, own), estimate_errors(given, own)
    suggested = suggest_labels(probabilities, thresholds)

    def make(row: int, score: float, rank: int, share: float) -> LabelIssue:
        name = SPELLED.get(float(labels[row]), "blank")
        agrees = not uncertain[row] and suggested[row] == int(labels[row] == 1)
        other = "" if suggested[row] < 0 or agrees else str(suggested[row])
        return LabelIssue(row, observation, name, float(probabilities[row]), score, rank, other, share)

    scores = score_labels(given, own, method)
    order = np.argsort(scores, kind="stable")[: count_top(top, len(scores))]
    shares = [errors.share_wrong_negatives, errors.share_wrong_positives]
    listed = enumerate(order.tolist(), start=1)
    issues = [make(int(ranked[n]), float(scores[n]), rank, shares[given[n]]) for rank, n in listed]
    rows = np.flatnonzero(uncertain)
    clear = adjust_probabilities(probabilities[rows], thresholds).min(axis=1)
    order = np.argsort(clear, kind="stable")[: count_top(top, len(rows))]
    resolved = [make(int(rows[n]), float(clear[n]), rank, math.nan) for rank, n in enumerate(order.tolist(), start=1)]
    return ObservationIssues(observation, *counts, tuple(map(float, thresholds)), errors, issues, resolved)  # type: ignore[arg-type]


def count_top(top: str, count: int) -> int:
    """Return how many of so many labels are listed.

    >>> count_top("50", 1000), count_top("0.05", 1000), count_top("50", 20)
    (50, 50, 20)
    """
    return min(count, math.ceil(float(top) * count) if "." in top else int(top))


def check_top(top: str) -> str:
    """Return a number of labels or a share of them, checked.

    Raises:
        UserError: it is neither.
    """
    whole, share = top.isdecimal() and int(top) > 0, False
    if not whole and top.replace(".", "", 1).isdecimal() and "." in top:
        share = 0 < float(top) < 1
    if not whole and not share:
        hint = "how many labels of each observation, such as 50, or which share of them, such as 0.05"
        raise UserError(f"{top!r} is not possible", code="value", where="--top", hint=hint)
    return top


def write_issues(path: Path, issues: Iterable[LabelIssue], names: Sequence[str]) -> None:
    """Write labels as a file that ``data.corrections`` reads, once its last column is filled in.

    Args:
        path: of the file.
        issues: in the order of the file.
        names: of the views.
    """
    rows = (
        [
            names[one.row], one.observation, one.label, f"{one.probability:.6g}", f"{one.score:.6g}", str(one.rank),
            one.suggested, "" if math.isnan(one.expected_share) else f"{one.expected_share:.4g}", "",
        ]
        for one in issues
    )  # fmt: skip
    run_files.write_table(path, HEADER, rows)
