"""Who is compared: finished runs and files of predictions; of a sweep also those that are not there yet, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation.predictions import Named, read_labels, read_predictions
from chexpert.runs import files as run_files
from chexpert.runs.config_keys import flatten
from chexpert.runs.read import read_config, read_mapping, read_state
from chexpert.runs.synthetic import is_synthetic_path


@dataclass(frozen=True)
class Candidate:
    """One model's predictions.

    Attributes:
        name: of the run folder or file.
        predictions: its scores.
        labels: what it was evaluated by; None of a file of predictions alone.
        settings: of its config, by dotted key.
        evaluation_setting: from metrics.json, of the split: ``level``, ``views``, ``labels_of``, ``epoch_chosen_on``.
        overrides: what was chosen on its command line; None where that is not recorded.
        synthetic: whether its images are.
    """

    name: str
    predictions: Named
    labels: Named | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    evaluation_setting: dict[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] | None = None
    synthetic: bool = False


@dataclass(frozen=True)
class Absent:
    """A run without metrics: ``state`` is running or failed or unknown, ``why`` is the reason in one line."""

    name: str
    state: str
    why: str
    overrides: Sequence[str] | None = None


def list_candidates(paths: Sequence[Path], split: str) -> tuple[list[Candidate], list[Absent]]:
    """List the candidates of runs, sweeps (folders of runs) and CSV files, and the runs without metrics.

    Raises:
        UserError: a path is neither, or is given twice, or no candidate is left.
    """
    found = [
        read_file(place) if place.is_file() else read_run_folder(place, split, alone=place == path)
        for path in paths
        for place in ([path] if path.is_file() else find_runs(path))
    ]
    candidates = [one for one in found if isinstance(one, Candidate)]
    absent = [one for one in found if isinstance(one, Absent)]
    names = [str(Path(candidate.name).resolve()) for candidate in candidates]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError("given twice", code="repeated", where=", ".join(twice), hint="name each once")
    if not candidates:
        reasons = "; ".join(f"{one.name} {one.state}: {one.why}" for one in absent)
        where = ", ".join(map(str, paths))
        raise UserError(
            f"nothing to compare{reasons and ': ' + reasons}", code="too-few", where=where, hint="give finished runs"
        )
    return candidates, absent


def find_runs(folder: Path) -> list[Path]:
    """Return the run folder itself, or the runs below it in the order of their numbers."""
    marks = (run_files.STATE, run_files.METRICS, run_files.CONFIG)
    if any((folder / mark).is_file() for mark in marks):
        return [folder]
    runs = {path.parent for mark in marks for path in folder.rglob(mark)}
    if not runs:
        message = "no run" if folder.is_dir() else "no such file or folder"
        raise UserError(
            message, code="missing-run", where=str(folder), hint="give run folders, folders of them, or predictions.csv"
        )
    return sorted(runs, key=lambda run: [int(part) if part.isdigit() else part for part in _numbers(run)])


def _numbers(path: Path) -> list[str]:
    """Texts and numbers in turn, so that job 10 comes after job 9."""
    return re.split(r"(\d+)", str(path))


def read_file(path: Path) -> Candidate:
    """Read a file of predictions."""
    return Candidate(str(path), read_predictions(path), synthetic=is_synthetic_path(path))


def read_run_folder(run: Path, split: str, *, alone: bool = True) -> Candidate | Absent:
    """Read a run's predictions on a split; of a run without predictions return its state.

    Args:
        run: its folder.
        split: which.
        alone: it was named itself; a damaged one of a sweep is left out instead, so that the others are compared.

    Raises:
        UserError: a file of it is damaged.
    """
    try:
        return _read_run_folder(run, split)
    except UserError as error:
        if alone:
            raise
        return Absent(str(run), "unreadable", f"{error.message}, {error.where}")


def _read_run_folder(run: Path, split: str) -> Candidate | Absent:
    files = (
        run_files.predictions(run, split),
        run_files.labels(run, split),
        run / run_files.METRICS,
        run / run_files.CONFIG,
    )
    state = read_state(run)
    if state.get("state", "finished") != "finished":  # a run from before there were states is taken by its files
        why = state.get("why") or f"since {state.get('started', 'an unknown time')}"
        return Absent(str(run), state["state"], why, read_overrides(state))
    if missing := [str(path.relative_to(run)) for path in files if not path.is_file()]:
        return Absent(str(run), state.get("state", "unknown"), f"no {', '.join(missing)}", read_overrides(state))
    metrics = read_mapping(run / run_files.METRICS)
    split_metrics, settings = metrics.get(split), flatten(read_config(run))
    if not isinstance(split_metrics, dict):
        raise UserError(
            f"no metrics of the {split} split",
            code="missing-split",
            where=str(files[2]),
            hint="run it again, or leave it out",
        )
    evaluation_setting = {
        "level": split_metrics.get("level"),
        "views": settings.get("study_score", "max"),
        "labels_of": split_metrics.get("labels"),
        "epoch_chosen_on": metrics.get("epoch_chosen_on"),
    }
    predictions, labels = read_predictions(files[0]), read_labels(files[1])
    overrides, synthetic = read_overrides(state), is_synthetic_path(files[1])
    return Candidate(str(run), predictions, labels, settings, evaluation_setting, overrides, synthetic)


def read_overrides(state: dict[str, Any]) -> list[str] | None:
    """Return the overrides of the command line from a state.json."""
    overrides = state.get("overrides")
    return list(map(str, overrides)) if isinstance(overrides, list) else None
