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
from sklearn.metrics import roc_curve

from chexpert.errors import ProblemError
from chexpert.evaluation.aligned_predictions import Lineup
from chexpert.evaluation.candidates import Entrant, read_file
from chexpert.evaluation.predictions import Named, read_labels, strip_copy
from chexpert.metrics.bootstrap import find_ends

TRUTH = "groundtruth.csv"
ENTRIES = "example_models/predictions/standard"
READERS = "radiologists/benchmark_radiologists"


@dataclass(frozen=True)
class Board:
    """The truth by radiologists' majority, and the entries of others."""

    truth: Named
    entries: Sequence[Entrant]


def find_entries(folder: Path) -> Board:
    """Reads truth and entries.

    Raises:
        ProblemError: they do not lie there.
    """
    files = sorted((folder / ENTRIES).glob("*.csv"))
    if not files or not (folder / TRUTH).is_file():
        what = f"no {TRUTH}, or no {ENTRIES}/*.csv"
        raise ProblemError(what, where=str(folder), mend="give the folder of CheXpert's public test labels")
    entries = [read_file(path) for path in files]
    return Board(
        read_labels(folder / TRUTH),
        [Entrant(path.stem, one.predictions) for path, one in zip(files, entries, strict=True)],
    )


def read_readers(folder: Path) -> dict[str, Named]:
    """Readings by the name of the reader."""
    return {path.stem: read_labels(path) for path in sorted((folder / READERS).glob("*.csv"))}


def judge_rank(aurocs: np.ndarray, model: int, place: Sequence[int]) -> dict[str, Any]:
    """The rank of one of M models by the mean of some columns, 1 is best, with its 95 % interval over drawn studies.

    Args:
        aurocs: (M, 1 + R, C), of the rows themselves and of the replicates.
        model: which.
        place: the columns, each defined on the rows themselves.
    """
    if not place:
        return {"value": math.nan, "ci_low": math.nan, "ci_high": math.nan, "of": len(aurocs)}
    figures = aurocs[:, :, list(place)].mean(2)
    ranks = 1 + (figures > figures[model]).sum(0).astype("float64")
    defined = np.isfinite(figures).all(0)
    low, high = find_ends(ranks[1:][defined[1:]]) if defined[1:].any() else (1, len(aurocs))
    return {"value": int(ranks[0]), "ci_low": int(low), "ci_high": int(high), "of": len(aurocs)}


def judge_readers(lineup: Lineup, model: int, readers: Mapping[str, Named]) -> dict[str, Any]:
    """Each reader's sensitivity and specificity, and whether the point lies below the model's ROC curve.

    Args:
        lineup: on whose rows the readers are judged, as far as they have read them.
        model: whose curve.
        readers: readings in {1, 0} by name.

    Returns:
        ``points`` by reader and observation; ``below``: how many readers by observation; ``below_mean``, the mean of
        these, the competition's "rads below curve".
    """
    points = {name: _judge_reader(lineup, model, reading) for name, reading in readers.items()}
    below = {
        name: sum(own[name]["below"] for own in points.values() if name in own and own[name]["below"] is not None)
        for name in lineup.observations
    }
    return {"points": points, "below": below, "readers": len(readers),
            "below_mean": float(np.mean(list(below.values()))) if below and readers else math.nan}  # fmt: skip


def _judge_reader(lineup: Lineup, model: int, reading: Named) -> dict[str, dict[str, Any]]:
    places = {strip_copy(name): row for row, name in enumerate(reading.names)}
    read = [row for row, name in enumerate(lineup.rows) if name in places]
    found = [places[lineup.rows[row]] for row in read]
    points = {}
    for c, name in enumerate(lineup.observations):
        if name in reading.columns and read:
            told, truth = reading.columns[name][found], lineup.labels[read, c]
            points[name] = _judge_point(told, truth, lineup.scores[model, read, c])
    return points


def _judge_point(told: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    known = np.isfinite(told) & np.isfinite(truth)
    told, truth, scores = told[known], truth[known], scores[known]
    n = {"n": int(known.sum())}
    if len(set(truth)) < 2:
        return {"sensitivity": math.nan, "specificity": math.nan, "below": None} | n
    found, alarms = int(told[truth == 1].sum()), int(told[truth == 0].sum())
    positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
    point = {"sensitivity": found / positives, "specificity": 1 - alarms / negatives}
    return point | {"below": found < find_reached(truth, scores, alarms) - 1e-9} | n


def find_reached(truth: np.ndarray, scores: np.ndarray, alarms: int) -> float:
    """How many positives a model finds at so many false alarms; where its ROC curve is upright, at its upper end.

    >>> find_reached(np.array([1, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.5]), 0)
    2.0
    """
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    alarmed, found = np.rint(false * (truth == 0).sum()), np.rint(true * (truth == 1).sum())
    there = alarmed == alarms
    return float(found[there].max() if there.any() else np.interp(alarms, alarmed, found))
