"""All metrics of scores against labels, each with its interval, from one resampling of studies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.groups import evaluate_groups
from chexpert.evaluation.join import LabeledScores, read_labeled_scores
from chexpert.evaluation.observation_metrics import (
    Sample,
    evaluate_calibration,
    evaluate_point,
    interval_to_dict,
    take_samples,
)
from chexpert.metrics import auroc_mean
from chexpert.metrics.bootstrap import resample_studies
from chexpert.metrics.operating_point import RULES
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
    """Return the content of evaluation/<split>.json and of scripts/evaluate.py; undefined metrics are NaN, with counts.

    Args:
        labeled: N rows.
        mean_over: the mean AUROC is over those of these that are defined; ``over`` says which.
        replicates: of the bootstrap; each samples studies with replacement, for all metrics at once.
        seed: of the resampling.
        operating_points: thresholds, chosen on other rows; without them no sensitivity is reported.
        chosen_on: what they were chosen on.
        group_by: names of groups to evaluate apart.

    Raises:
        UserError: a group that the labels do not have.
    """
    counts = resample_studies(labeled.studies, replicates, seed)
    samples = {sample.observation: sample for sample in take_samples(labeled, counts)}
    mean, over = evaluate_mean(samples, mean_over)
    why = explain_scale(labeled.scores)
    return {
        "level": labeled.level,
        "views": labeled.views if labeled.level == "study" else None,
        "n": len(labeled.names),
        "studies": int(labeled.studies.max()) + 1,
        "bootstrap": {"replicates": replicates, "seed": seed, "unit": "study"},
        "auroc": {name: sample.auroc() for name, sample in samples.items()},
        "auroc_mean": mean | {"over": over},
        "auprc": {name: sample.auprc() for name, sample in samples.items()},
        "calibration": None if why else {name: evaluate_calibration(sample) for name, sample in samples.items()},
        "not_probabilities": why,
        "operating_points": evaluate_points(samples, operating_points),
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
    """:func:`evaluate` of files.

    Args:
        predictions: scores by name.
        labels: of the same rows.
        level: ``study`` or ``image``.
        views: ``max`` or ``mean`` over the views of a study.
        mean_over: names in any spelling; by default the competition's.
        tuning: predictions and labels of other studies, on which thresholds are chosen.
        hashed_by: runs that hashed the names of the predictions.
        options: further ones of :func:`evaluate`.

    Raises:
        UserError: the files do not fit, or a name is unknown.
    """
    labeled = read_labeled_scores(predictions, labels, level, views, hashed_by)
    if tuning:
        chosen = read_labeled_scores(*tuning, level, views, hashed_by)
        check_apart(labeled, chosen)
        options |= {"operating_points": choose_operating_points(chosen), "chosen_on": str(tuning[0])}
    synthetic = is_synthetic_path(predictions) or is_synthetic_path(labels)
    names = find_names(mean_over or COMPETITION, labeled, asked=bool(mean_over))
    return evaluate(labeled, mean_over=names, **options) | {"synthetic": synthetic}


def find_names(names: Sequence[str], labeled: LabeledScores, *, asked: bool) -> list[str]:
    """Observations by their names in CheXpert; those that were asked for must be evaluated."""
    found = list(dict.fromkeys(find_observation(name) or name for name in names))
    if asked and (unknown := [name for name in found if name not in labeled.observations]):
        hint = f"some of {', '.join(labeled.observations)}"
        raise UserError(f"not evaluated here: {', '.join(unknown)}", where="--mean-over", hint=hint)
    return found


def choose_operating_points(labeled: LabeledScores) -> dict[str, dict[str, float]]:
    """Thresholds by observation and rule: Youden's, F1's, and that of a fixed specificity; NaN without both classes."""
    columns = {name: labeled.column(name)[:2] for name in labeled.observations}
    return {name: {rule: find(*column) for rule, find in RULES.items()} for name, column in columns.items()}


def check_apart(reported: LabeledScores, chosen: LabeledScores) -> None:
    """Refuses to choose thresholds on studies that are reported: their sensitivity would be optimistic."""
    if shared := set(reported.study_names()) & set(chosen.study_names()):
        message = f"{len(shared)} of the studies to choose thresholds on are reported"
        raise UserError(message, where=min(shared), hint="choose them on other studies, as a development split")


def evaluate_mean(samples: Mapping[str, Sample], mean_over: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The mean AUROC over those that are defined, and which these are."""
    _, over = auroc_mean({name: sample.value for name, sample in samples.items()},
                         [name for name in mean_over if name in samples])  # fmt: skip
    found = Sample.mean([samples[name] for name in over])
    return interval_to_dict(found) | {"undefined_replicates": found.undefined_replicates}, over


def evaluate_points(samples: Mapping[str, Sample], points: Points | None) -> dict[str, Any] | None:
    """Sensitivity and specificity at thresholds that were chosen elsewhere."""
    if points is None:
        return None
    return {
        name: {rule: evaluate_point(sample, threshold) for rule, threshold in points[name].items()}
        for name, sample in samples.items()
        if name in points
    }


def explain_scale(scores: np.ndarray) -> str | None:
    """Why scores are no probabilities, which rank all the same; None where they may be."""
    low, high = float(scores.min()), float(scores.max())
    return None if low >= 0 and high <= 1 else f"scores from {low:.4g} to {high:.4g} are no probabilities"
