"""Predictions of views by models that were not trained on them: of a run, or of all folds of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.candidates import find_runs
from chexpert.evaluation.predictions import Named, read_predictions
from chexpert.runs import files as run_files
from chexpert.runs.config_keys import flatten
from chexpert.runs.diff import changes_no_metric, describe_changes, group_replicates, list_differing_keys
from chexpert.runs.read import read_config, read_state

SPLITS = run_files.EVALUATED_SPLITS
FOLDS = "chexpert train -m data.folds=5 data.fold=0,1,2,3,4"


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold probabilities of N views for C observations.

    Attributes:
        runs: whose predictions these are.
        configs: their configs.
        split: ``dev``, ``valid`` or ``test``; of folds ``dev``.
        folds: into how many folds the training patients were divided; None of a run without folds.
        observations: names of the C columns.
        names: of the views, as the predictions have them.
        probabilities: (N, C) in [0, 1]; with folds of several seeds the mean over the seeds.
        models: (N,) int, the place in ``runs`` of the run that predicted a view; of several seeds the first.
    """

    runs: Sequence[Path]
    configs: Sequence[Mapping[str, Any]]
    split: str
    folds: int | None
    observations: Sequence[str]
    names: Sequence[str]
    probabilities: np.ndarray
    models: np.ndarray


def read_held_out(paths: Sequence[Path], split: str | None = None) -> HeldOut:
    """Read the predictions of views that no model of them was trained on.

    Args:
        paths: one run, or the runs (or sweeps) of all folds of one configuration, of one or more seeds.
        split: of one run ``dev`` (the default), ``valid`` or ``test``.

    Raises:
        UserError: training views are asked for, a run holds none out, folds are missing or of different numbers, runs
            differ in more than seed and fold, or predictions are no probabilities.
    """
    if split == "train":
        message = "the model was trained on these labels, and repeats their errors"
        hint = f"predictions of held-out patients: {FOLDS}, then give the sweep; of one run --split dev, valid or test"
        raise UserError(message, code="conflict", where="--split train", hint=hint)
    runs = [run for path in paths for run in find_runs(path)]
    configs = [read_config(run) for run in runs]
    for run, config in zip(runs, configs, strict=True):
        if "data" not in config:
            hint = "give the folder of a run, or of a sweep"
            raise UserError(
                "a run without its config", code="missing-file", where=str(run / run_files.CONFIG), hint=hint
            )
    flat = [flatten(config) for config in configs]
    with_folds = [own.get("data.folds") is not None for own in flat]
    if len(runs) == 1 and not (with_folds[0] and split in (None, "dev") and flat[0]["data.folds"] > 1):
        return _read_one(runs[0], configs[0], split or "dev")
    check_folds(runs, flat, with_folds, split)
    return _join_folds(runs, configs, flat)


def check_folds(
    runs: Sequence[Path], flat: Sequence[Mapping[str, Any]], with_folds: Sequence[bool], split: str | None
) -> None:
    """Check that these runs are all folds of one configuration.

    Raises:
        UserError: they are not.
    """
    where = ", ".join(map(str, runs if len(runs) < 4 else [runs[0].parent]))
    if split not in (None, "dev"):
        message = f"folds hold training patients out, and {split} is of each run"
        raise UserError(message, code="conflict", where=f"--split {split}", hint=f"give one run: {runs[0]}")
    if not all(with_folds):
        hint = f"give one run, or a sweep of folds: {FOLDS}"
        raise UserError("several runs, of which not all are folds", code="other-config", where=where, hint=hint)
    counts = sorted({int(own["data.folds"]) for own in flat})
    if len(counts) > 1:
        message = f"runs of {' and of '.join(map(str, counts))} folds: a model of one has seen what another holds out"
        raise UserError(message, code="other-config", where=where, hint="give the runs of one number of folds")
    if len(groups := group_replicates(flat)) > 1:
        old, new = settings = [flat[group[0]] for group in groups[:2]]
        keys = [key for key in list_differing_keys(settings) if not changes_no_metric(key)]
        keys = [key for key in keys if key not in ("data.fold", "seed")]
        message = "these runs differ in more than seed and fold: " + "; ".join(describe_changes(old, new, keys)[:3])
        hint = "give the runs of one configuration"
        raise UserError(message, code="other-config", where=where, hint=hint)
    for seed in dict.fromkeys(own.get("seed") for own in flat):
        _check_seed(
            seed, [(run, own) for run, own in zip(runs, flat, strict=True) if own.get("seed") == seed], counts[0]
        )


def _check_seed(seed: object, runs: Sequence[tuple[Path, Mapping[str, Any]]], folds: int) -> None:
    """Check that each fold of a seed is there once, and finished."""
    found: dict[int, Path] = {}
    for run, own in runs:
        fold = int(own["data.fold"])
        if fold in found:
            hint = "give each fold once"
            raise UserError(
                f"fold {fold} of seed {seed} is given twice", code="repeated", where=f"{found[fold]}, {run}", hint=hint
            )
        found[fold] = run
    missing = [f"fold {fold}" for fold in range(folds) if fold not in found]
    for fold, run in sorted(found.items()):
        if why := explain_missing(run, "dev"):
            missing.append(f"fold {fold} ({why})")
    if missing:
        message = f"of {folds} folds of seed {seed} these are missing: {', '.join(missing)}"
        where = str(runs[0][0].parent)
        hint = f"train them: data.folds={folds} data.fold=N seed={seed}; or resume the sweep: resume={where}"
        raise UserError(message, code="missing-run", where=where, hint=hint)


def explain_missing(run: Path, split: str) -> str:
    """Return why a run has no predictions of a split; an empty text where it has them."""
    state = read_state(run)
    if state.get("state", "finished") != "finished":
        return f"{state['state']}: {state['why']}" if state.get("why") else str(state["state"])
    return "" if run_files.predictions(run, split).is_file() else f"no {run_files.PREDICTIONS}/{split}.csv"


def _read_one(run: Path, config: Mapping[str, Any], split: str) -> HeldOut:
    if why := explain_missing(run, split):
        there = [name for name in SPLITS if not explain_missing(run, name)]
        hint = f"hold patients out: {FOLDS} (or data.dev=0.2)"
        hint += f"; or audit labels that are evaluated: --split {there[0]}" if there else ""
        message = f"no predictions of held-out views: {why}"
        raise UserError(message, code="missing-split", where=str(run), hint=hint)
    found = read_probabilities(run, split)
    return HeldOut(
        [run], [config], split, None, list(found.columns), found.names, np.column_stack([*found.columns.values()]),
        np.zeros(len(found.names), int),
    )  # fmt: skip


def _join_folds(
    runs: Sequence[Path], configs: Sequence[Mapping[str, Any]], flat: Sequence[Mapping[str, Any]]
) -> HeldOut:
    """Join the folds of each seed, and average over the seeds."""
    sums: dict[str, np.ndarray] = {}
    models: dict[str, int] = {}
    seen: dict[str, list[object]] = {}
    observations: list[str] = []
    for place, (run, own) in enumerate(zip(runs, flat, strict=True)):
        found = read_probabilities(run, "dev")
        observations = observations or list(found.columns)
        check_columns(run, found, runs[0], observations)
        for name, row in zip(found.names, np.column_stack([found.columns[c] for c in observations]), strict=True):
            if own.get("seed") in seen.setdefault(name, []):
                message = f"two folds of seed {own.get('seed')} hold out {name}: they are of other data"
                hint = "give the folds of one sweep"
                raise UserError(message, code="other-data", where=str(run), hint=hint)
            seen[name].append(own.get("seed"))
            models.setdefault(name, place)
            sums[name] = sums[name] + row if name in sums else row
    means = np.array([sums[name] / len(seen[name]) for name in sums])
    return HeldOut(
        list(runs),
        list(configs),
        "dev",
        int(flat[0]["data.folds"]),
        observations,
        list(sums),
        means,
        np.array(list(models.values())),
    )


def check_columns(run: Path, found: Named, first: Path, observations: Sequence[str]) -> None:
    """Check that the predictions of a fold are of the observations of the first one.

    Raises:
        UserError: they are of others.
    """
    if set(found.columns) != set(observations):
        message = f"predictions of {', '.join(found.columns)}, and those of {first} of {', '.join(observations)}"
        raise UserError(message, code="other-observations", where=str(run), hint="give runs of the same ones")


def read_probabilities(run: Path, split: str) -> Named:
    """Read the predictions of a split.

    Raises:
        UserError: they are of studies, or no probabilities.
    """
    path = run_files.predictions(run, split)
    found = read_predictions(path)
    if found.key != "Path" or not all(((own >= 0) & (own <= 1)).all() for own in found.columns.values()):
        message = "these are no probabilities of views"
        raise UserError(message, code="not-probability", where=str(path), hint="restore the run's own predictions")
    return found
