"""Join predictions and labels by the name of the image or study."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.match_names import match_prediction_names
from chexpert.evaluation.predictions import Named, read_labels, read_predictions, to_studies
from chexpert.metrics import choose_unit, find_study, number_units
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import is_hash

LEVEL_NAMES = {"image": "single views", "study": "studies"}
"""What is evaluated at a level, as tables show it."""


@dataclass(frozen=True)
class LabeledScores:
    """The scores of one model for N views or studies, with the labels to evaluate them by.

    Attributes:
        names: N paths or studies.
        studies: (N,) int, the number of each row's study, or of its patient in external data sets: the bootstrap
            resamples them as a whole, see :func:`chexpert.metrics.number_units`.
        observations: names of the C columns.
        scores: (N, C) float64 on any scale.
        labels: (N, C) float64 in {1, 0, NaN}; NaN where there is no label.
        level: ``image`` or ``study``.
        views: score of a study from its views: ``max``, ``mean`` or ``noisy_or``; ignored at level ``image``.
        groups: N values by grouping, such as Sex; blank where unknown.
        left_out: names of the rows that only ``predictions`` or only ``labels`` have, by these words.
        not_evaluated: observations that only ``predictions`` or only ``labels`` have.
    """

    names: Sequence[str]
    studies: np.ndarray
    observations: Sequence[str]
    scores: np.ndarray
    labels: np.ndarray
    level: str
    views: str
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    not_evaluated: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def column(self, observation: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return scores, labels in {0, 1} and studies of the rows that have a label for an observation."""
        c = list(self.observations).index(observation)
        known = np.isfinite(self.labels[:, c])
        return self.scores[known, c], self.labels[known, c], self.studies[known]

    def study_names(self) -> list[str]:
        """Return the name of each row's study."""
        return [strip_copy(name if self.level == "study" else find_study(name)) for name in self.names]


def describe_bootstrap(names: Sequence[str], units: np.ndarray, replicates: int, seed: int) -> dict[str, Any]:
    """Return how intervals of rows were made: ``replicates``, ``seed``, ``unit`` and the number of ``units``.

    Args:
        names: of N views or studies.
        units: (N,) int, of each row the number of its study or patient.
        replicates: number of replicates.
        seed: of the resampling.
    """
    count = int(units.max(initial=-1)) + 1
    return {"replicates": replicates, "seed": seed, "unit": choose_unit(names), "units": count}


def count_studies(names: Sequence[str], level: str) -> int:
    """Return the number of studies of views or studies."""
    return len(set(names if level == "study" else map(find_study, names)))


def describe_level(content: Mapping[str, Any]) -> str:
    """Return a short description of the evaluated rows; for studies with the aggregation of their scores.

    Args:
        content: an evaluation with its ``level``, ``image`` or ``study``; at level ``study`` with its ``views``.

    Returns:
        A few words for the head of a table.

    >>> describe_level({"level": "study", "views": "max"}), describe_level({"level": "image"})
    ('studies (max over views)', 'single views')
    """
    return LEVEL_NAMES[content["level"]] + (f" ({content['views']} over views)" if content["level"] == "study" else "")


def join_labels(
    predictions: Named, labels: Named, level: str = "study", views: str = "max", hashed_by: Sequence[Path] = ()
) -> LabeledScores:
    """Return the rows and observations that both sides have, in the order of the rows' names.

    Images that are not CheXpert's also match if only the file names are equal, or if one is the hash of the other:
    see :func:`match_prediction_names`.

    Args:
        predictions: scores of views or studies.
        labels: labels of views or studies.
        level: ``image`` or ``study``; at level ``study`` the views of each side are reduced to studies.
        views: ``max``, ``mean`` or ``noisy_or`` of the scores over the views of a study.
        hashed_by: folders of the runs that may have predicted: hashed names are recognized by their salts.

    Returns:
        Scores and labels (N, C) of the N shared rows and C shared observations; the names that only one side has are in
        ``left_out`` and ``not_evaluated``.

    Raises:
        UserError: level ``image`` of a file that lists studies, no row or observation is shared, a file name matches
            more than one image, or the views of a study have different labels at level ``study``.
    """
    keys = predictions.key, labels.key
    predictions, labels = match_prediction_names(predictions, labels, hashed_by).in_order, labels.in_order
    if level == "study":
        predictions, labels = to_studies(predictions, views), to_studies(labels, labels=True)
    for side in (predictions, labels):
        if level == "image" and side.key == "Study":
            raise UserError(
                "a file of studies has no single views",
                code="level",
                where=str(side.path),
                hint="--level study",
            )
    where = f"{predictions.path} and {labels.path}"
    label_rows = labels.places
    rows = [row for name, row in predictions.places.items() if name in label_rows]
    if not rows:
        hint = f"give the labels of these images; predicted: {predictions.names[0]!r}, labeled: {labels.names[0]!r}"
        if any(map(is_hash, predictions.names)):
            hint = "names are hashed: --hashed-by RUN, the run that predicted them, or predict again with --ids path"
            if keys == ("Path", "Study"):
                hint = "hashes of views do not show their study: predict again with --level study, or with --ids path"
        raise UserError(f"the files share no {predictions.key}", code="no-overlap", where=where, hint=hint)
    observations = [name for name in predictions.columns if name in labels.columns]
    if not observations:
        raise UserError(
            "the files share no observation",
            code="no-overlap",
            where=where,
            hint="give the labels of these observations",
        )
    names = [predictions.names[row] for row in rows]
    labeled = [label_rows[strip_copy(name)] for name in names]
    numbers, _ = number_units(names, level)
    return LabeledScores(
        names, numbers, observations,
        np.column_stack([predictions.columns[name][rows] for name in observations]),
        np.column_stack([labels.columns[name][labeled] for name in observations]),
        level, views,
        {group: [values[row] for row in labeled] for group, values in labels.groups.items()},
        {"predictions": _missing(predictions.names, label_rows), "labels": _missing(labels.names, predictions.places)},
        {
            "predictions": [name for name in predictions.columns if name not in labels.columns],
            "labels": [name for name in labels.columns if name not in predictions.columns],
        },
    )  # fmt: skip


def _missing(names: Sequence[str], others: Container[str]) -> list[str]:
    return [name for name in names if strip_copy(name) not in others]


def read_labeled_scores(
    predictions: Path, labels: Path, level: str = "study", views: str = "max", hashed_by: Sequence[Path] = ()
) -> LabeledScores:
    """Read a file of predictions and a file of labels, and join them, see :func:`join`.

    Args:
        predictions: CSV file of scores by Path or Study.
        labels: CSV file of labels by Path or Study.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` of the scores over the views of a study.
        hashed_by: folders of the runs that may have predicted: hashed names are recognized by their salts.

    Returns:
        Scores and labels of the shared rows and observations.

    Raises:
        UserError: a file cannot be read, or the files do not match.
    """
    return join_labels(read_predictions(predictions), read_labels(labels), level, views, hashed_by)


def read_run(run: Path, split: str, level: str, views: str = "max") -> LabeledScores:
    """Read the predictions of a run on a split, and the labels by which the run was evaluated.

    Args:
        run: run folder.
        split: ``dev``, ``valid`` or ``test``.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` of the scores over the views of a study.

    Returns:
        Scores and labels of the shared rows and observations.

    Raises:
        UserError: a file is missing or cannot be read, or the files do not match.
    """
    return read_labeled_scores(run_files.predictions(run, split), run_files.labels(run, split), level, views)
