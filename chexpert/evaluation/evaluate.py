"""Compute all metrics of scores against labels, each with its interval, from one resampling of studies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.evaluation_settings import evaluate_settings, take_settings
from chexpert.evaluation.groups import evaluate_groups
from chexpert.evaluation.join import (
    LabeledScores,
    count_studies,
    describe_bootstrap,
    join_labels,
    read_labeled_scores,
)
from chexpert.evaluation.match_names import match_prediction_names
from chexpert.evaluation.observation_metrics import (
    evaluate_calibration,
    evaluate_mean,
    evaluate_points,
    take_samples,
)
from chexpert.evaluation.predictions import read_labels, read_predictions
from chexpert.metrics.operating_point import DEFAULT_RULES, get_rule
from chexpert.metrics.resampling import sample_studies
from chexpert.observations import COMPETITION, find_observation
from chexpert.runs.synthetic import is_synthetic_path

Points = Mapping[str, Mapping[str, float]]
"""Thresholds by observation and rule."""


def evaluate(
    labeled: LabeledScores,
    *,
    mean_over: Sequence[str] = COMPETITION,
    replicates: int = 1000,
    seed: int = 0,
    operating_points: Points | None = None,
    chosen_on: str | None = None,
    group_by: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content of evaluation/<split>.json and of chexpert evaluate.

    Undefined metrics are NaN, with their counts.

    Args:
        labeled: N rows.
        mean_over: observations to average the AUROC over; undefined ones are skipped, and ``over`` lists those used.
        replicates: number of bootstrap replicates; each samples studies with replacement (of external data sets
            patients), for all metrics at once.
        seed: seed of the resampling.
        operating_points: thresholds, chosen on other studies; without them no sensitivity is computed.
        chosen_on: name of the data that the thresholds were chosen on.
        group_by: names of the groups to evaluate separately, in upper or lower case.

    Returns:
        ``auroc``, ``auprc``, ``calibration`` and ``operating_points`` by observation, ``auroc_mean`` and ``groups``,
        each metric with its 95 % interval. ``level``, ``views``, ``n``, ``studies`` and ``bootstrap`` are the
        evaluation setting. ``calibration`` is None if a score is outside [0, 1].

    Raises:
        UserError: the labels do not have one of the groups.
    """
    counts = sample_studies(int(labeled.studies.max()) + 1, replicates, seed)
    why = find_scale_error(labeled.scores)
    samples = take_samples(labeled, counts, ["auroc", "auprc"] if why else ["auroc", "auprc", "brier", "ece"])
    mean, over = evaluate_mean(samples, mean_over)
    return {
        "level": labeled.level,
        "views": labeled.views if labeled.level == "study" else None,
        "n": len(labeled.names),
        "studies": count_studies(labeled.names, labeled.level),
        "bootstrap": describe_bootstrap(labeled.names, labeled.studies, replicates, seed),
        "auroc": {name: sample.auroc() for name, sample in samples.items()},
        "auroc_mean": mean | {"over": over},
        "auprc": {name: sample.auprc() for name, sample in samples.items()},
        "calibration": None if why else {name: evaluate_calibration(sample) for name, sample in samples.items()},
        "not_probabilities": why,
        "operating_points": None if operating_points is None else evaluate_points(samples, operating_points, counts),
        "operating_points_chosen_on": chosen_on,
        "groups": {
            name: evaluate_groups(labeled, name, counts, over, calibrated=not why) for name in map(str.lower, group_by)
        },
        "left_out": {side: list(names) for side, names in labeled.left_out.items()},
        "not_judged": {side: list(names) for side, names in labeled.not_evaluated.items()},
    }


def evaluate_files(
    predictions: Path,
    labels: Path,
    *,
    level: str = "study",
    views: str = "max",
    mean_over: Sequence[str] | None = None,
    tuning: tuple[Path, Path] | None = None,
    hashed_by: Sequence[Path] = (),
    **options: Any,
) -> dict[str, Any]:
    """Evaluate files of predictions and labels, see :func:`evaluate`.

    Args:
        predictions: CSV file of scores by Path or Study.
        labels: CSV file of the labels of the same rows.
        level: ``study`` or ``image``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        mean_over: names of observations in any spelling; by default the competition's.
        tuning: files of predictions and labels of other studies, on which thresholds are chosen.
        hashed_by: run folders whose predictions have hashed names.
        options: further arguments of :func:`evaluate`.

    Returns:
        The metrics as :func:`evaluate` returns them; ``evaluation_settings``, see :func:`evaluate_settings`; and
        ``synthetic``: whether the images are synthetic.

    Raises:
        UserError: the files do not match, or a name is unknown.
    """
    truth = read_labels(labels)
    scores = match_prediction_names(read_predictions(predictions), truth, hashed_by)
    labeled = join_labels(scores, truth, level, views)
    if tuning:
        tuned = read_labeled_scores(*tuning, level, views, hashed_by)
        check_disjoint(labeled, tuned)
        options |= {"operating_points": choose_operating_points(tuned), "chosen_on": str(tuning[0])}
    synthetic = is_synthetic_path(predictions) or is_synthetic_path(labels)
    names = find_names(mean_over or COMPETITION, labeled, requested=bool(mean_over))
    content = evaluate(labeled, mean_over=names, **options)
    content["evaluation_settings"] = evaluate_settings(
        take_settings(scores, truth, labeled),
        names,
        **{key: content["bootstrap"][key] for key in ("replicates", "seed")},
        main=(labeled, content),
    )
    return content | {"synthetic": synthetic, "operating_points_labels": None}


def find_names(names: Sequence[str], labeled: LabeledScores, *, requested: bool) -> list[str]:
    """Return CheXpert's names of the observations; raise an error if a requested one was not evaluated."""
    found = list(dict.fromkeys(find_observation(name) or name for name in names))
    if requested and (unknown := [name for name in found if name not in labeled.observations]):
        hint = f"some of {', '.join(labeled.observations)}"
        raise UserError(
            f"not evaluated here: {', '.join(unknown)}", code="unknown-observation", where="--mean-over", hint=hint
        )
    return found


def choose_operating_points(
    labeled: LabeledScores, rules: Sequence[str] = DEFAULT_RULES
) -> dict[str, dict[str, float]]:
    """Choose thresholds by observation and rule: Youden, F1, fixed sensitivity or specificity.

    Args:
        labeled: N rows, of other studies than those that are evaluated at the thresholds.
        rules: names of rules, see :func:`chexpert.metrics.operating_point.get_rule`.

    Returns:
        For each observation the threshold of each rule; NaN if a class is missing.
    """
    columns = {name: labeled.column(name)[:2] for name in labeled.observations}
    return {name: {rule: get_rule(rule)(*column) for rule in rules} for name, column in columns.items()}


def check_disjoint(evaluated: LabeledScores, tuning: LabeledScores) -> None:
    """Raise an error if thresholds are chosen on evaluated studies.

    Sensitivities would then be optimistic.

    Args:
        evaluated: rows to evaluate at the thresholds.
        tuning: rows to choose the thresholds on.

    Raises:
        UserError: both have rows of one study.
    """
    if shared := set(evaluated.study_names()) & set(tuning.study_names()):
        message = f"{len(shared)} studies are both in the tuning set and in the evaluated set"
        raise UserError(
            message, code="shared-patients", where=min(shared), hint="choose thresholds on other studies, such as dev"
        )


def find_scale_error(scores: np.ndarray) -> str | None:
    """Return why the scores are not probabilities, or None if all lie in [0, 1]; AUROC needs ranks only."""
    low, high = float(scores.min()), float(scores.max())
    return None if low >= 0 and high <= 1 else f"scores from {low:.4g} to {high:.4g} are no probabilities"
