"""Predictions of training studies by models that did not see their patients: of one run, or of the folds of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.held_out import FOLDS, HeldOut, read_held_out
from chexpert.evaluation.predictions import Named, to_studies
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping

HINT = f"hold patients out: {FOLDS}, then give the folder of the sweep"


@dataclass(frozen=True)
class OutOfFold:
    """Scores of S studies, each by a run that did not see its patient.

    Attributes:
        runs: their folders.
        views: CSV paths of the views that each run predicted.
        names: of the studies, as ``patient00001/study1``.
        observations: names of the C columns.
        scores: (S, C) float64, as the run joins the views of a study.
        models: (S,) int, of each study the place of its run in ``runs``.
    """

    runs: Sequence[Path]
    views: list[list[str]]
    names: list[str]
    observations: Sequence[str]
    scores: np.ndarray
    models: np.ndarray


def read_out_of_fold(source: Path) -> OutOfFold:
    """Read the predictions of a run, or of the runs below a folder, on the patients that they held out.

    Raises:
        UserError: as :func:`read_held_out` does; a run began from weights of another run; or there are folds of several
            seeds.
    """
    if source.is_file():
        message = "a file of predictions does not say which patients its model has seen"
        raise UserError(message, code="missing-run", where=str(source), hint=f"give the folder of the run; or {HINT}")
    held = read_held_out([source])
    for run, config in zip(held.runs, held.configs, strict=True):
        check_start(run, config)
    if held.folds and len(held.runs) > held.folds:
        message = f"{len(held.runs)} runs of {held.folds} folds: several models have predicted a study"
        raise UserError(message, code="repeated", where=str(source), hint="give the folds of one seed")
    return join_views(held, source)


def check_start(run: Path, config: Mapping[str, Any]) -> None:
    """Check that a run held patients out, and began from no weights that may have seen them.

    Raises:
        UserError: it did not.
    """
    data = config.get("data") or {}
    if data.get("dev") is None and data.get("fold") is None:
        message = "this run held nobody out, so all its predictions of training images are of images that it has seen"
        raise UserError(message, code="missing-split", where=str(run), hint=HINT)
    if config.get("start_from"):
        message = f"this run began from the weights of {config['start_from']}, which may have seen these patients"
        raise UserError(message, code="conflict", where=str(run), hint="give runs without start_from")
    if config.get("distill"):
        message = "this run was taught by other models, which may have seen these patients"
        raise UserError(message, code="conflict", where=str(run), hint="give runs without distill")


def join_views(held: HeldOut, source: Path) -> OutOfFold:
    """Return the scores of the studies of these views, as the runs join the views of a study."""
    rule = str(held.configs[0].get("study_score", "max"))
    parts = [np.flatnonzero(held.models == place).tolist() for place in range(len(held.runs))]
    studies = [
        to_studies(
            Named(
                source,
                "Path",
                [held.names[row] for row in rows],
                {name: held.probabilities[rows, c] for c, name in enumerate(held.observations)},
            ),
            rule,
        )
        for rows in parts
    ]
    return OutOfFold(
        held.runs,
        [[held.names[row] for row in rows] for rows in parts],
        [strip_copy(name) for own in studies for name in own.names],
        held.observations,
        np.vstack([np.column_stack([*own.columns.values()]) for own in studies]),
        np.repeat(np.arange(len(parts)), [len(own.names) for own in studies]),
    )


def read_splits(run: Path) -> dict[str, Any]:
    """Return the splits in data.json of a run."""
    return dict(read_mapping(run / run_files.DATA, required=True)["splits"])
