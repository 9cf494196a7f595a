"""How sure a model is of a row: by its calibrated probability, or by the spread of several probabilities of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.calibration import Calibration
from chexpert.evaluation.ensemble import align_member
from chexpert.evaluation.predictions import Named, to_studies

PLAIN, RANDOM = "plain", "random"
SPREADS = ("members", "ensemble", "tta")
"""Confidences by a spread: of the members of a combined model, of several models, of the views of an image."""
CONFIDENCES = (PLAIN, *SPREADS)


@dataclass(frozen=True)
class Confidences:
    """The probabilities of N rows and how sure the model is of them.

    Attributes:
        names: of the N views or studies.
        observations: of the C columns.
        probabilities: (N, C), calibrated where a calibration was fitted.
        values: (N, C) by confidence, of ``CONFIDENCES``; more is surer, on a scale of its own each.
        uncalibrated: observations whose probabilities are as the model has them.
    """

    names: Sequence[str]
    observations: Sequence[str]
    probabilities: np.ndarray
    values: Mapping[str, np.ndarray]
    uncalibrated: Sequence[str]


def plain_confidence(probabilities: np.ndarray) -> np.ndarray:
    """Return the probability of the more probable answer, max(p, 1 - p): Chow's (1970) rule.

    Of one yes-or-no question the entropy, p (1 - p) and the distance of p from .5 give the same order.
    """
    return np.maximum(probabilities, 1 - probabilities)


def spread_confidence(probabilities: np.ndarray) -> np.ndarray:
    """Return less the standard deviation (N, C) of K probabilities (K, N, C), so that more is surer."""
    return 0 - probabilities.std(axis=0)


def compute_confidences(
    predictions: Named,
    spreads: Mapping[str, Sequence[Named]],
    observations: Sequence[str],
    level: str,
    views: str,
    calibration: Calibration | None,
) -> Confidences:
    """Compute each confidence of the rows of a file of predictions.

    The score of a study is computed of each table before the spread: the spread is that of what is decided by.

    Args:
        predictions: probabilities of views or studies.
        spreads: by confidence its K tables of raw probabilities of the same rows, two or more.
        observations: the C to take.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        calibration: of the predictions; None: they are taken as they are.

    Raises:
        UserError: a table has other rows or lacks an observation, a score is no probability, or fewer than two tables.
    """
    if level == "image" and predictions.key == "Study":
        message = "a file of studies has no single views"
        raise UserError(message, code="level", where=str(predictions.path), hint="--level study")
    rows = to_studies(predictions, views) if level == "study" else predictions
    raw = stack(rows, observations)
    values = {}
    for kind, tables in spreads.items():
        if len(tables) < 2:
            message = "a spread needs two tables of probabilities or more"
            where = ", ".join(str(table.path) for table in tables) or kind
            raise UserError(message, code="too-few", where=where, hint=f"give more, or leave {kind} out")
        leveled = [align(table, predictions, rows, level, views, observations) for table in tables]
        values[kind] = spread_confidence(np.stack(leveled))
    fitted = (calibration.levels.get(level) or {}) if calibration else {}
    known = [c for c, name in enumerate(observations) if fitted.get(name)]
    probabilities = raw.copy()
    if calibration and known:
        probabilities[:, known] = calibration.apply(raw[:, known], [observations[c] for c in known], level)
    uncalibrated = [name for c, name in enumerate(observations) if c not in known]
    return Confidences(
        rows.names, observations, probabilities, {PLAIN: plain_confidence(probabilities)} | values, uncalibrated
    )


def align(
    table: Named, predictions: Named, rows: Named, level: str, views: str, observations: Sequence[str]
) -> np.ndarray:
    """Return a table's probabilities (N, C) of the rows of the predictions at a level."""
    if table.key == predictions.key:  # other views of the same studies would not be seen among studies
        align_member(table, predictions, observations[0])
    leveled = to_studies(table, views) if level == "study" else table
    if leveled.key != rows.key:
        message = "scores of studies, where those of single views are compared"
        raise UserError(message, code="level", where=str(table.path), hint="--level study")
    columns = {name: align_member(leveled, rows, name) for name in observations}
    return stack(replace(rows, path=table.path, columns=columns), observations)


def stack(rows: Named, observations: Sequence[str]) -> np.ndarray:
    """Return the probabilities (N, C) of a table.

    Raises:
        UserError: it lacks an observation, or a score is no probability.
    """
    if missing := [name for name in observations if name not in rows.columns]:
        hint = f"--observations {' '.join(map(repr, rows.columns))}"
        message = f"no {', '.join(missing)}"
        raise UserError(message, code="missing-observation", where=str(rows.path), hint=hint)
    stacked = np.column_stack([rows.columns[name] for name in observations])
    if not ((stacked >= 0) & (stacked <= 1)).all():
        message = "a score is outside [0, 1], and a confidence is of probabilities"
        hint = "give probabilities, such as chexpert predict writes"
        raise UserError(message, code="not-probability", where=str(rows.path), hint=hint)
    return stacked
