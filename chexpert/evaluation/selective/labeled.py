"""Rows with their confidences and labels: what risks are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.join import join_labels
from chexpert.evaluation.match_names import match_hashes, match_prediction_names
from chexpert.evaluation.predictions import Named
from chexpert.evaluation.selective.confidence import Confidences
from chexpert.metrics import find_study, list_patients
from chexpert.runs.anonymize import is_hash


@dataclass(frozen=True)
class LabeledConfidences:
    """The n rows of predictions that have labels.

    Attributes:
        confidences: of the n rows, under the names that the labels have.
        labels: (n, C) in {1, 0, NaN}.
        studies: (n,) int, of each row the number of its study.
        places: (n,) int, of each row its place among all rows of the predictions.
    """

    confidences: Confidences
    labels: np.ndarray
    studies: np.ndarray
    places: np.ndarray


def label_rows(
    confidences: Confidences, predictions: Named, labels: Named, level: str, views: str, hashed_by: Sequence[Path] = ()
) -> LabeledConfidences:
    """Return the rows that have labels, matched by name as ``chexpert evaluate`` does.

    Args:
        confidences: of all rows of the predictions at the level.
        predictions: the file.
        labels: of views or studies.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        hashed_by: runs that hashed the names in the predictions.

    Raises:
        UserError: no row or observation is shared, or several rows of the predictions are of one labeled study.
    """
    matched = match_prediction_names(predictions, labels, hashed_by)
    joined = join_labels(matched, labels, level, views)
    spelled = dict(zip(predictions.names, matched.names, strict=True))
    places: dict[str, int] = {}
    for place, name in enumerate(confidences.names):
        known = spelled.get(name, name)
        own = strip_copy(find_study(known) if level == "study" else known)
        if own in places:
            message = "several images of this study are rows of their own in the predictions"
            raise UserError(message, code="ambiguous-row", where=own, hint="single views: --level image")
        places[own] = place
    rows = np.array([places[strip_copy(name)] for name in joined.names])
    columns = [list(joined.observations).index(name) for name in confidences.observations]
    taken = Confidences(
        list(joined.names),
        confidences.observations,
        confidences.probabilities[rows],
        {kind: values[rows] for kind, values in confidences.values.items()},
        confidences.uncalibrated,
    )
    return LabeledConfidences(taken, joined.labels[:, columns], joined.studies, rows)


def check_apart(
    names: Sequence[str], development: Sequence[str], origin: str = "", hashed_by: Sequence[Path] = ()
) -> None:
    """Check that nothing is evaluated on patients that it was chosen on: their studies resemble each other.

    A hash shows no patient: of hashed names the very studies of the development split are recognized, and no others.

    Args:
        names: of the rows that are evaluated or deferred.
        development: those of the rows that a cutoff or threshold is chosen on.
        origin: folder of the run's data set, see :func:`chexpert.metrics.study_aggregation.list_patients`.
        hashed_by: runs that hashed names of the rows.

    Raises:
        UserError: both have a patient in common.
    """
    if hashed := set(filter(is_hash, names)):
        names = [*names, *match_hashes(hashed, development, hashed_by)[0].values()]
    if shared := list_patients(names, origin) & list_patients(development, origin):
        message = f"{len(shared)} patients are in the development split too, on which the cutoff or threshold is chosen"
        hint = "give studies of other patients, or an amount that needs no choice: --count N"
        raise UserError(message, code="shared-patients", where=min(shared), hint=hint)
