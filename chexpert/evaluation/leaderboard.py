"""CheXpert's leaderboard in a box: public entries and radiologists' readings, in their published layout.

``groundtruth.csv``, ``example_models/predictions/standard/*.csv``, ``radiologists/benchmark_radiologists/*.csv``
(rajpurkarlab/cheXpert-test-set-labels). Columns differ in order between the files and are read by name.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.aligned_predictions import AlignedPredictions
from chexpert.evaluation.candidates import Candidate, read_file
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.predictions import Named, read_labels
from chexpert.metrics.bootstrap import find_ends

TRUTH = "groundtruth.csv"
ENTRIES = "example_models/predictions/standard"
READERS = "radiologists/benchmark_radiologists"


@dataclass(frozen=True)
class Board:
    """The truth by radiologists' majority, and the entries of others."""

    truth: Named
    entries: Sequence[Candidate]


def find_entries(folder: Path) -> Board:
    """Read the truth and the entries.

    Raises:
        UserError: they do not lie there.
    """
    files = sorted((folder / ENTRIES).glob("*.csv"))
    if not files or not (folder / TRUTH).is_file():
        message = f"no {TRUTH}, or no {ENTRIES}/*.csv"
        raise UserError(
            message, code="missing-file", where=str(folder), hint="give the folder of CheXpert's public test labels"
        )
    entries = [read_file(path) for path in files]
    return Board(
        read_labels(folder / TRUTH),
        [Candidate(path.stem, one.predictions) for path, one in zip(files, entries, strict=True)],
    )


def read_readers(folder: Path) -> dict[str, Named]:
    """Read the readings by the name of the reader."""
    return {path.stem: read_labels(path) for path in sorted((folder / READERS).glob("*.csv"))}


def evaluate_rank(aurocs: np.ndarray, model: int, place: Sequence[int]) -> dict[str, Any]:
    """Rank one of M models by the mean of some columns, 1 is best, with its 95 % interval over resampled studies.

    Args:
        aurocs: (M, 1 + R, C), of the rows themselves and of the replicates.
        model: which.
        place: the columns, each defined on the rows themselves.
    """
    if not place:
        return {"value": math.nan, "ci_low": math.nan, "ci_high": math.nan, "of": len(aurocs)}
    means = aurocs[:, :, list(place)].mean(2)
    ranks = 1 + (means > means[model]).sum(0).astype("float64")
    defined = np.isfinite(means).all(0)
    low, high = find_ends(ranks[1:][defined[1:]]) if defined[1:].any() else (1, len(aurocs))
    return {"value": int(ranks[0]), "ci_low": int(low), "ci_high": int(high), "of": len(aurocs)}


def evaluate_readers(aligned: AlignedPredictions, model: int, readers: Mapping[str, Named]) -> dict[str, Any]:
    """Return each reader's sensitivity and specificity, and whether the point lies below the model's ROC curve.

    Args:
        aligned: its rows are those on which the readers are evaluated, as far as they have read them.
        model: whose curve.
        readers: readings in {1, 0} by name.

    Returns:
        ``points`` by reader and observation; ``below``: how many readers by observation; ``below_mean``, the mean of
        these, the competition's "rads below curve".
    """
    points = {name: _evaluate_reader(aligned, model, reading) for name, reading in readers.items()}
    below = {
        name: sum(own[name]["below"] for own in points.values() if name in own and own[name]["below"] is not None)
        for name in aligned.observations
    }
    return {"points": points, "below": below, "readers": len(readers),
            "below_mean": float(np.mean(list(below.values()))) if below and readers else math.nan}  # fmt: skip


def _evaluate_reader(aligned: AlignedPredictions, model: int, reading: Named) -> dict[str, dict[str, Any]]:
    places = {strip_copy(name): row for row, name in enumerate(reading.names)}
    read = [row for row, name in enumerate(aligned.rows) if name in places]
    found = [places[aligned.rows[row]] for row in read]
    points = {}
    for c, name in enumerate(aligned.observations):
        if name in reading.columns and read:
            answers, truth = reading.columns[name][found], aligned.labels[read, c]
            points[name] = _evaluate_point(answers, truth, aligned.scores[model, read, c])
    return points


def _evaluate_point(answers: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    known = np.isfinite(answers) & np.isfinite(truth)
    answers, truth, scores = answers[known], truth[known], scores[known]
    n = {"n": int(known.sum())}
    if len(set(truth)) < 2:
        return {"sensitivity": math.nan, "specificity": math.nan, "below": None} | n
    found, alarms = int(answers[truth == 1].sum()), int(answers[truth == 0].sum())
    positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
    point = {"sensitivity": found / positives, "specificity": 1 - alarms / negatives}
    return point | {"below": found < find_reached(truth, scores, alarms) - 1e-9} | n


def find_reached(truth: np.ndarray, scores: np.ndarray, alarms: int) -> float:
    """Return the positives found at a number of false alarms; where the ROC curve is upright, at its upper end.

    >>> find_reached(np.array([1, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.5]), 0)
    2.0
    """
    from sklearn.metrics import roc_curve  # takes a second

    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    alarmed, found = np.rint(false * (truth == 0).sum()), np.rint(true * (truth == 1).sum())
    there = alarmed == alarms
    return float(found[there].max() if there.any() else np.interp(alarms, alarmed, found))
