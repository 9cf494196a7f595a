"""Predictions and labels brought together by name."""

from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np

from chexpert.errors import ProblemError
from chexpert.evaluation.judged import Judged
from chexpert.evaluation.renaming import rename
from chexpert.evaluation.tables import Named, read_labels, read_predictions, strip_copy, to_studies
from chexpert.metrics import find_study, number_studies
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import is_hash


def join(
    predictions: Named, labels: Named, level: str = "study", views: str = "max", hashed_by: Sequence[Path] = ()
) -> Judged:
    """The rows and observations that both have, in the order of their names.

    Images other than CheXpert's are joined by their file name too, or by its hash: see :func:`rename`.

    Raises:
        ProblemError: images are asked for where one side has studies, no row or observation is shared, or a file name
            could be one of several.
    """
    predictions, labels = rename(predictions, labels, hashed_by).in_order(), labels.in_order()
    if level == "study":
        predictions, labels = to_studies(predictions, views), to_studies(labels, labels=True)
    for side in (predictions, labels):
        if level == "image" and side.key == "Study":
            raise ProblemError(
                "studies, where single views are to be judged", where=str(side.path), mend="--level study"
            )
    where = f"{predictions.path} and {labels.path}"
    theirs, mine = labels.places, predictions.places
    rows = [row for name, row in mine.items() if name in theirs]
    if not rows:
        mend = f"give the labels of these images: here {predictions.names[0]!r}, there {labels.names[0]!r}"
        if any(map(is_hash, predictions.names)):
            mend = "names are hashed: --hashed-by RUN, the run that predicted them, or predict again with --ids path"
        raise ProblemError(f"no {predictions.key} is in both", where=where, mend=mend)
    observations = [name for name in predictions.columns if name in labels.columns]
    if not observations:
        raise ProblemError("no observation is in both", where=where, mend="give the labels of these observations")
    names = [predictions.names[row] for row in rows]
    found = [theirs[strip_copy(name)] for name in names]
    numbers, _ = number_studies(names if level == "study" else [find_study(name) for name in names])
    return Judged(
        names, numbers, observations,
        np.column_stack([predictions.columns[name][rows] for name in observations]),
        np.column_stack([labels.columns[name][found] for name in observations]),
        level, views,
        {group: [values[place] for place in found] for group, values in labels.groups.items()},
        {"predictions": _missing(predictions.names, theirs), "labels": _missing(labels.names, mine)},
        {
            "predictions": [name for name in predictions.columns if name not in labels.columns],
            "labels": [name for name in labels.columns if name not in predictions.columns],
        },
    )  # fmt: skip


def _missing(names: Sequence[str], others: Container[str]) -> list[str]:
    return [name for name in names if strip_copy(name) not in others]


def read_judged(
    predictions: Path, labels: Path, level: str = "study", views: str = "max", hashed_by: Sequence[Path] = ()
) -> Judged:
    """Two files, joined."""
    return join(read_predictions(predictions), read_labels(labels), level, views, hashed_by)


def read_run(run: Path, split: str, level: str, views: str = "max") -> Judged:
    """What a run left of a split: its predictions, and the labels that it was judged by."""
    return read_judged(run_files.predictions(run, split), run_files.labels(run, split), level, views)
