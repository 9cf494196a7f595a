"""What follows from a run's predictions: calibration, prediction sets and evaluations, from its files alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.evaluation import (
    Calibration,
    LabeledScores,
    PredictionSets,
    Thresholds,
    choose_operating_points,
    evaluate,
    evaluate_calibrated,
    evaluate_sets,
    evaluate_settings,
    read_labels,
    read_predictions,
    read_run,
    take_settings,
)
from chexpert.evaluation.selective.run import evaluate_run_selective
from chexpert.evaluation.thresholds import get_kind
from chexpert.evaluation.tta import evaluate_tta
from chexpert.metrics.operating_point import DEFAULT_RULES
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping

GROUPS = ("sex", "age", "view", "ap_pa", "devices")
COMPARED = ("prior", "race", "ethnicity", "insurance")
"""Every patient of CheXpert's valid and test set has one study, and only CheXpert Plus has the others."""


def evaluate_run(folder: Path, cfg: Mapping[str, Any]) -> None:
    """Write calibration, thresholds and prediction sets, where there is a split for them, and each evaluation."""
    metrics = read_mapping(folder / run_files.METRICS, required=True)
    splits = [split for split in run_files.EVALUATED_SPLITS if split in metrics]
    labeled = {split: read_run(folder, split, cfg["level"], cfg["study_score"]) for split in splits}
    chosen = find_development(splits)
    levels = list(read_levels(folder, chosen, labeled[chosen])) if chosen else []
    fitted = fit_calibration(folder, cfg["calibration"], chosen, levels)
    sets = fit_prediction_sets(folder, chosen, levels)
    rules = cfg.get("thresholds", DEFAULT_RULES)
    kind = get_kind(chosen, metrics[chosen]["labels"], metrics[chosen].get("labels_by")) if chosen else None
    if chosen and kind:
        Thresholds.choose(chosen, kind, levels, rules).write(folder / run_files.THRESHOLDS)
    for split in splits:
        options: dict[str, Any] = {"group_by": () if split == "dev" else find_groups(labeled[split])}
        if chosen and split != chosen:  # what is chosen on a split is not evaluated there
            options |= {"operating_points": choose_operating_points(labeled[chosen], rules), "chosen_on": chosen}
        content = evaluate(labeled[split], mean_over=cfg["mean_over"], seed=cfg["seed"], **options)
        content["operating_points_labels"] = kind if split != chosen else None
        apart = fitted if split != chosen else None
        content["calibrated"] = evaluate_calibrated(labeled[split], apart, cfg["seed"]) if apart else None
        if sets and split != chosen:
            content["prediction_sets"] = evaluate_sets(labeled[split], sets, cfg["seed"], options["group_by"])
        if chosen and split != chosen:
            content["selective"] = evaluate_run_selective(labeled[split], fitted, chosen, cfg["seed"])
        if split != "dev":  # whose metrics nobody publishes; it may have a hundred times the images
            content["evaluation_settings"] = evaluate_in_settings(
                folder, split, labeled[split], cfg["mean_over"], content
            )
            metrics[split]["evaluation_settings"] = summarize_settings(content["evaluation_settings"])
        run_files.write_json(run_files.evaluation(folder, split), content | describe_split(split, metrics))
    if cfg.get("tta") is not None:
        own = (cfg["level"], cfg["study_score"], cfg["mean_over"], cfg["seed"])
        gains = {split: evaluate_tta(folder, split, *own) for split in splits if split != "dev"}
        metrics["tta"] = {"option": cfg["tta"]} | gains
    run_files.write_json(folder / run_files.METRICS, metrics)


def evaluate_in_settings(
    folder: Path, split: str, labeled: LabeledScores, mean_over: Sequence[str], content: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Evaluate a split in each evaluation setting that the run's predictions can give.

    Args:
        folder: of the run.
        split: which.
        labeled: its rows as the run evaluates them.
        mean_over: observations to average the AUROC over.
        content: their evaluation.
    """
    files = read_predictions(run_files.predictions(folder, split)), read_labels(run_files.labels(folder, split))
    bootstrap = content["bootstrap"]
    return evaluate_settings(
        take_settings(*files, labeled),
        mean_over,
        bootstrap["replicates"],
        bootstrap["seed"],
        main=(labeled, content),
    )


def summarize_settings(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return n, the mean AUROC and its interval in each evaluation setting, as metrics.json holds them."""
    return {name: {"n": own["n"], "auroc_mean": own["auroc_mean"], "why": own["why"]} for name, own in settings.items()}


def fit_calibration(
    folder: Path, method: str | None, chosen: str | None, levels: Sequence[LabeledScores]
) -> Calibration | None:
    """Fit and write calibration.json, where there is a split to fit it on and a method is chosen."""
    if not chosen or not method:
        return None
    fitted = Calibration.fit(method, chosen, levels)
    if not any(any(level.values()) for level in fitted.levels.values()):
        log.warning(f"no calibration: {chosen} has no observation with positives and negatives")
        return None
    fitted.write(folder / run_files.CALIBRATION)
    return fitted


def fit_prediction_sets(folder: Path, chosen: str | None, levels: Sequence[LabeledScores]) -> PredictionSets | None:
    """Fit and write prediction_sets.json, where there is a split to fit them on."""
    if not chosen:
        return None
    fitted = PredictionSets.fit(chosen, levels)
    fitted.write(folder / run_files.PREDICTION_SETS)
    return fitted


def read_levels(folder: Path, split: str, labeled: LabeledScores) -> Iterator[LabeledScores]:
    """Yield a split at the run's own level, and at the other one where its labels allow that."""
    yield labeled
    try:
        yield read_run(folder, split, "study" if labeled.level == "image" else "image", labeled.views)
    except UserError as error:  # views of one study with different labels: nobody evaluates them by study
        log.log(NOTE, f"no calibration, thresholds and prediction sets for studies: {error.message}")


def find_development(splits: Sequence[str]) -> str | None:
    """Return the split on which thresholds and calibration are chosen: never the only one that is reported.

    >>> find_development(["dev", "valid", "test"]), find_development(["valid", "test"]), find_development(["valid"])
    ('dev', 'valid', None)
    """
    return splits[0] if len(splits) > 1 else None


def find_groups(labeled: LabeledScores) -> list[str]:
    """Return the groups that are known of at least one row, and those of ``COMPARED`` that have parts to compare."""
    known = {group: {*values} - {""} for group, values in labeled.groups.items()}
    return [group for group in GROUPS if known.get(group)] + [
        group for group in COMPARED if len(known.get(group, ())) > 1
    ]


def describe_split(split: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run's part of an evaluation: split, source of the labels, choice of the epoch, if it is synthetic."""
    chosen = metrics["epoch_chosen_on"]
    synthetic = bool(metrics[split].get("synthetic"))
    return {"split": split, "labels_of": metrics[split]["labels"], "epoch_chosen_on": chosen, "synthetic": synthetic}
