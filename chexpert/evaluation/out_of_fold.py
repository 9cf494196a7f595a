"""Predictions of training studies by models that did not see their patients: of one run, or of the folds of a sweep."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.candidates import find_runs
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.predictions import Named, read_predictions, to_studies
from chexpert.runs import files as run_files
from chexpert.runs.read import read_config, read_mapping

HINT = "hold patients out: chexpert train -m data.folds=5 data.fold=0,1,2,3,4, then give the folder of the sweep"
SAME = ("observations", "study_score", "data.views", "data.labeler")
"""Settings that the folds must share."""


@dataclass(frozen=True)
class OutOfFold:
    """Scores of S studies, each by a run that did not see its patient.

    Attributes:
        runs: their folders.
        config: of the first run.
        views: CSV paths of the views that each run predicted.
        names: of the studies, as ``patient00001/study1``.
        observations: names of the C columns.
        scores: (S, C) float64, as the run joins the views of a study.
        models: (S,) int, of each study the place of its run in ``runs``.
    """

    runs: list[Path]
    config: dict[str, Any]
    views: list[list[str]]
    names: list[str]
    observations: list[str]
    scores: np.ndarray
    models: np.ndarray


def read_out_of_fold(source: Path) -> OutOfFold:
    """Read the predictions of a run, or of the runs below a folder, on the patients that they held out.

    Raises:
        UserError: there is no run, one held nobody out, has not finished, or began from weights of another run, the
            runs have other observations or settings, or two predicted the same study.
    """
    if source.is_file():
        message = "a file of predictions does not say which patients its model has seen"
        raise UserError(message, code="missing-run", where=str(source), hint=f"give the folder of the run; or {HINT}")
    runs = find_runs(source)
    configs = [read_config(run) for run in runs]
    for run, config in zip(runs, configs, strict=True):
        check_held_out(run, config)
        check_same(runs[0], configs[0], run, config)
    read = [read_predictions(run_files.predictions(run, "dev")) for run in runs]
    for run, own in zip(runs, read, strict=True):
        if set(own.columns) != set(read[0].columns):
            message = f"predictions of {', '.join(own.columns)}, and those of {runs[0]} of {', '.join(read[0].columns)}"
            raise UserError(message, code="other-observations", where=str(run), hint="give runs of the same ones")
    studies = [to_studies(own, configs[0].get("study_score", "max")) for own in read]
    check_repeated(runs, studies)
    observations = list(read[0].columns)
    return OutOfFold(
        runs, configs[0], [own.names for own in read],
        [strip_copy(name) for own in studies for name in own.names],
        observations,
        np.vstack([np.column_stack([own.columns[name] for name in observations]) for own in studies]),
        np.repeat(np.arange(len(runs)), [len(own.names) for own in studies]),
    )  # fmt: skip


def check_held_out(run: Path, config: dict[str, Any]) -> None:
    """Check that a run predicted patients that it had not seen."""
    data = config.get("data") or {}
    if data.get("dev") is None and data.get("fold") is None:
        message = "this run held nobody out, so all its predictions of training images are of images that it has seen"
        raise UserError(message, code="missing-split", where=str(run), hint=HINT)
    if config.get("start_from"):
        message = f"this run began from the weights of {config['start_from']}, which may have seen these patients"
        raise UserError(message, code="conflict", where=str(run), hint="give runs without start_from")
    file = run_files.predictions(run, "dev")
    if not file.is_file():
        raise UserError("this run has not predicted the patients that it held out", code="missing-file",
                        where=str(file), hint=f"finish it: chexpert train resume={run}")  # fmt: skip


def check_same(first: Path, config: dict[str, Any], run: Path, other: dict[str, Any]) -> None:
    """Check that two folds are of the same observations, views and labels."""
    for key in SAME:
        values = [_get(own, key) for own in (config, other)]
        if values[0] != values[1]:
            message = f"{key} is {values[1]}, and {values[0]} in {first}"
            code = "other-observations" if key == "observations" else "not-comparable"
            raise UserError(message, code=code, where=str(run), hint="give the folds of one sweep")  # type: ignore[arg-type]


def _get(config: dict[str, Any], key: str) -> Any:
    group, _, name = key.rpartition(".")
    return ((config.get(group) or {}) if group else config).get(name)


def check_repeated(runs: list[Path], studies: list[Named]) -> None:
    """Check that no two runs predicted the same study."""
    by: dict[str, Path] = {}
    for run, own in zip(runs, studies, strict=True):
        for name in map(strip_copy, own.names):
            if name in by:
                message = f"{name} was predicted by {by[name]} too"
                hint = "give the folds of one seed"
                raise UserError(message, code="repeated", where=str(run), hint=hint)
            by[name] = run


def read_splits(run: Path) -> dict[str, Any]:
    """Return the splits in data.json of a run."""
    return dict(read_mapping(run / run_files.DATA, required=True)["splits"])
