"""The risk-coverage curve of a run's own predictions by the plain confidence, for evaluation/<split>.json."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.evaluation.calibration import Calibration
from chexpert.evaluation.join import LabeledScores
from chexpert.evaluation.predictions import Named
from chexpert.evaluation.selective.confidence import Confidences, compute_confidences
from chexpert.evaluation.selective.evaluate import choose_replicates, evaluate_selective
from chexpert.evaluation.selective.labeled import LabeledConfidences
from chexpert.observations import COMPETITION

THRESHOLD = 0.5
"""Of a calibrated probability the threshold with the fewest expected errors, which count alike (Chow 1970)."""


def evaluate_run_selective(
    labeled: LabeledScores, calibration: Calibration | None, fitted_on: str, seed: int
) -> dict[str, Any] | None:
    """Evaluate the plain confidence of a run's predictions on a split that nothing was chosen on.

    Args:
        labeled: the split, scores in [0, 1].
        calibration: fitted on another split; None: probabilities as they are.
        fitted_on: the development split.
        seed: of the resampling.

    Returns:
        See :func:`evaluate_selective`, with ``calibration``, ``level`` and ``views``; None where a score is no
        probability.
    """
    chosen = choose_observations(list(labeled.observations))
    columns = [list(labeled.observations).index(name) for name in chosen]
    scores = labeled.scores[:, columns]
    if not ((scores >= 0) & (scores <= 1)).all():
        return None
    confidences = confide(replace(labeled, observations=chosen, scores=scores), calibration)
    thresholds = np.full(len(chosen), THRESHOLD)
    places = np.arange(len(scores))
    rows = LabeledConfidences(confidences, labeled.labels[:, columns], labeled.studies, places)
    content = evaluate_selective(rows, thresholds, choose_replicates(len(scores)), seed)
    return describe_setting(labeled.level, labeled.views, confidences, calibration, fitted_on) | content


def choose_observations(known: list[str]) -> list[str]:
    """Return the competition's observations, or where there are none, all."""
    return [name for name in COMPETITION if name in known] or known


def confide(labeled: LabeledScores, calibration: Calibration | None) -> Confidences:
    """Return the plain confidence of labeled rows, which are already at their level."""
    key = "Study" if labeled.level == "study" else "Path"
    columns = dict(zip(labeled.observations, np.asarray(labeled.scores).T, strict=True))
    rows = Named(Path("predictions"), key, list(labeled.names), columns)
    return compute_confidences(rows, {}, list(labeled.observations), labeled.level, labeled.views, calibration)


def describe_setting(
    level: str, views: str, confidences: Confidences, calibration: Calibration | None, fitted_on: str | None
) -> dict[str, Any]:
    """Return the part of the evaluation that says what was evaluated."""
    method = {"method": calibration.method, "fitted_on": calibration.fitted_on} if calibration else None
    return {
        "level": level,
        "views": views,
        "development": fitted_on,
        "calibration": method,
        "uncalibrated": list(confidences.uncalibrated),
    }
