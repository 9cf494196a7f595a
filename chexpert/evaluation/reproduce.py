"""Decide from a run's files alone whether it reproduces the value of a recipe."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation.published_setting import ROWS, read_measured
from chexpert.runs import files as run_files
from chexpert.runs.config_keys import flatten
from chexpert.runs.diff import names_weights
from chexpert.runs.read import read_config, read_mapping, read_state
from chexpert.runs.synthetic import NOTE, is_synthetic_path
from chexpert.weights import parse_source

Recipe = Mapping[str, Any]
"""The resolved config of a recipe; its key ``recipe`` holds the expected value."""

WITHIN, OUTSIDE, NOT_COMPARABLE = "within", "outside", "not comparable"

NO_MATTER = (
    "backbone",  # the model repeats it, or has members of its own
    "calibration", "channels_last", "compile", "data.cache", "data.manifest", "data.num_workers", "data.on_missing",
    "data.root", "data.skip_limit", "data.test", "explain", "explainer", "features", "gate", "labels.predictions",
    "labels.seed", "name", "optimizer.foreach", "optimizer.fused", "predict_train", "recipe", "resume",
    "save_every_n_minutes", "save_every_n_steps", "save_top_k", "seed", "start_from", "thresholds",
    "trainer.accelerator", "trainer.benchmark", "trainer.deterministic", "trainer.devices",
    "trainer.enable_checkpointing", "trainer.enable_model_summary", "trainer.enable_progress_bar",
    "trainer.log_every_n_steps", "trainer.num_nodes", "trainer.precision", "trainer.strategy", "trainer.sync_batchnorm",
    "tta",
)  # fmt: skip
"""Settings that cannot change the value by more than another seed would; earlier runs are checked apart."""

EARLIER = {"start_from": "after", "labels.predictions": "predictions_of"}
"""Settings that name an earlier run, and the key of ``recipe`` that names the recipe of that run."""

BY_EPOCH = ("level", "study_score")
"""Settings of the evaluation that the epoch is chosen by: with others a run has other weights, and another value in
every evaluation setting."""

TRAIN = {"frontal": 191_027, "lateral": 32_387, "all": 223_414}
"""Training images of CheXpert by views."""
LOST = 0.001
"""Share of the training images that may be missing: one is known to be in some copies."""


@dataclass(frozen=True)
class Reproduction:
    """The result of a comparison with a recipe.

    Attributes:
        word: ``within``, ``outside`` or ``not comparable``.
        reference: of the recipe: source, expected, tolerance, of, cost.
        measured: the mean AUROC with its interval, where there is one: value, ci_low, ci_high, over.
        reasons: why it is not comparable.
        settings: the run's metrics in each evaluation setting, where its evaluation has them.
    """

    word: str
    reference: Mapping[str, Any]
    measured: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def reproduce(
    recipe: Recipe, run: Path, evaluation: Path | None = None, find_recipe: Callable[[str], Recipe] | None = None
) -> Reproduction:
    """Compare a run with a recipe, in the evaluation setting of the published value.

    Args:
        recipe: resolved config of the recipe.
        run: run folder.
        evaluation: JSON file by chexpert evaluate with the metrics of an ensemble of this and other runs; by default
            the run's own metrics are compared.
        find_recipe: function from a name to a recipe, for a recipe that starts from the run of another.

    Returns:
        The verdict ``within``, ``outside`` or ``not comparable``, with the reasons and the measured value.

    Raises:
        UserError: the recipe has no mapping ``recipe``, there is no run, or a file cannot be read.
    """
    reference, settings = recipe["recipe"], flatten(read_config(run))
    if not reference:
        raise UserError(
            "this recipe says nothing of what is expected", code="no-expectation", hint="one with a mapping `recipe`"
        )
    if not settings:
        hint = "give the folder of a run: outputs/<name>/<time>"
        raise UserError("no config of a run", code="missing-run", where=str(run / run_files.CONFIG), hint=hint)
    metrics = read_mapping(run / run_files.METRICS)
    reasons = [
        *find_unlike(recipe, settings),
        *check_earlier_runs(reference, settings, find_recipe),
        *check_data(reference, read_mapping(run / run_files.DATA), synthetic=is_synthetic_path(run)),
        *check_outcome(reference, metrics, read_state(run)),
    ]
    evaluated = read_mapping(evaluation or run_files.evaluation(run, reference["of"]["split"]))
    images = read_mapping(run / run_files.DATA).get("views") if evaluation is None else None
    measured, unlike = compare_setting(recipe, evaluated, images, given=evaluation is not None)
    reasons += unlike
    if reference["expected"] is None:
        reasons.append("nothing is published after this stage alone")
    if reasons:
        settings = evaluated.get("evaluation_settings") or {}
        return Reproduction(NOT_COMPARABLE, reference, measured, tuple(dict.fromkeys(reasons)), settings)
    inside = abs(measured["value"] - reference["expected"]) <= reference["tolerance"] + 1e-9  # 0.81 - 0.03 is 0.78
    return Reproduction(WITHIN if inside else OUTSIDE, reference, measured)


def find_unlike(recipe: Recipe, settings: Mapping[str, Any]) -> Iterator[str]:
    """List the settings in which a run differs from a recipe and that can change its value."""
    wanted, settings = ({key: own[key] for key in own if own[key] != {}} for own in (flatten(recipe), settings))
    for key in dict.fromkeys([*wanted, *settings]):
        if not any(f"{key}.".startswith(f"{other}.") for other in NO_MATTER):
            here, there = (_spell(own, key) for own in (settings, wanted))
            if here != there:
                why = ", and the epoch is chosen by it" * (key in BY_EPOCH)
                yield f"{key}: {there} in the recipe, {here} in the run{why}"


def check_earlier_runs(
    reference: Mapping[str, Any], settings: Mapping[str, Any], find_recipe: Callable[[str], Recipe] | None
) -> Iterator[str]:
    """Check that what a run takes from earlier runs is of runs of the recipes that come before, or that it takes none.

    These are the weights that it starts from, and the predictions that its labels are made of.
    """
    for key, name in EARLIER.items():
        path, before = settings.get(key), reference.get(name)
        if not before:
            if path:
                yield f"{key}: none in the recipe, {path} in the run"
        elif not path or find_recipe is None:
            yield f"{key}: it needs a run of {before}: {key}=RUN"
        else:
            yield from _check_earlier_run(key, Path(path), before, find_recipe)


def _check_earlier_run(key: str, path: Path, before: str, find_recipe: Callable[[str], Recipe]) -> Iterator[str]:
    folder = next((own for own in (path, *path.parents[:2]) if (own / run_files.CONFIG).is_file()), None)
    if folder is None:
        yield f"{key}: {path} is not there to be compared with {before}"
        return
    earlier, settings = find_recipe(before), flatten(read_config(folder))
    reasons = (
        *find_unlike(earlier, settings),
        *check_earlier_runs(earlier["recipe"], settings, find_recipe),
        *check_data(earlier["recipe"], read_mapping(folder / run_files.DATA), synthetic=is_synthetic_path(folder)),
        *check_finished(read_state(folder)),
    )
    for reason in reasons:
        yield f"the run of {key}: {reason}"


def check_data(reference: Mapping[str, Any], data: Mapping[str, Any], *, synthetic: bool) -> Iterator[str]:
    """Check by the published counts that the data were the whole of CheXpert."""
    if synthetic:
        yield NOTE
        return
    splits, views = data.get("splits", {}), data.get("views", "frontal")
    trained = sum(splits[name]["images"] for name in ("train", "dev") if name in splits)
    whole = TRAIN.get(views, 0)
    if not whole * (1 - LOST) <= trained <= whole:
        yield f"it was not trained on CheXpert: {trained:,} {views} images, and not {whole:,}"
    split = reference["of"]["split"]
    studies = splits.get(split, {}).get("studies", 0)
    expected = ROWS.get(split, {}).get("studies")
    if studies != expected:
        yield f"it was not evaluated on CheXpert's {split} set: {studies} studies, and not {expected}"


def check_finished(state: Mapping[str, Any]) -> Iterator[str]:
    """Check that a run is finished."""
    if state.get("state") != "finished":
        yield f"the run is not finished: {state.get('state', 'no state is recorded')}"


def check_outcome(reference: Mapping[str, Any], metrics: Mapping[str, Any], state: Mapping[str, Any]) -> Iterator[str]:
    """Check that the run is finished and was evaluated by the same labels, its epoch chosen on the same split."""
    of = reference["of"]
    yield from check_finished(state)
    labels = metrics.get(of["split"], {}).get("labels")
    if labels != of["labels"]:
        yield f"evaluated by the labels of {labels}, and not of {of['labels']}"
    if metrics.get("epoch_chosen_on") != of["epoch_chosen_on"]:
        yield f"the epoch was chosen on {metrics.get('epoch_chosen_on')}, and not on {of['epoch_chosen_on']}"


def compare_setting(
    recipe: Recipe, evaluated: Mapping[str, Any], images: str | None, *, given: bool
) -> tuple[Mapping[str, Any], list[str]]:
    """Return the measured value in the evaluation setting of the expected one, and why they cannot be compared.

    Args:
        recipe: with the expected value.
        evaluated: content of an evaluation; empty where there is none.
        images: ``data.views`` of the run; None of a file.
        given: the evaluation is a file that was given, not the run's own.
    """
    of, reasons = recipe["recipe"]["of"], []
    if of["checkpoints"] > 1 and not given:
        reasons.append(
            f"the value is of {of['checkpoints']} checkpoints, averaged: evaluate their ensemble, give --evaluation"
        )
    if not evaluated:
        return {}, [*reasons, f"no metrics with their interval for the {of['split']} split: run chexpert evaluate"]
    if recipe["recipe"]["expected"] is None:
        return evaluated.get("auroc_mean") or {}, reasons
    measured, unlike = read_measured(of, recipe["study_score"], evaluated, images)
    over = measured.get("over") or ()
    if sorted(over) != sorted(recipe["mean_over"]):
        unlike.append(f"the mean is over {', '.join(over)}, and not over {', '.join(recipe['mean_over'])}")
    return measured, reasons + unlike


def _spell(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key)
    if names_weights(key) and isinstance(value, str) and (card := parse_source(value).card):
        return card.name  # from whichever file they were read
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return str(value)
    try:
        return f"{float(value):g}"  # YAML 1.1 reads 1e-4 as a word
    except ValueError:
        return str(value)
