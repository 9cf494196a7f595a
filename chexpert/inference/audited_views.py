"""The views whose labels are audited: held-out predictions beside the labels that the dataset folder has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.data import Preprocessing
from chexpert.data.split import join_parts, select_held_out
from chexpert.data.summary import fingerprint
from chexpert.errors import UserError
from chexpert.evaluation.held_out import HeldOut
from chexpert.inference.opened_run import open_config_data
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping

HINT = "restore them, or give another copy: --root FOLDER"


@dataclass(frozen=True)
class AuditedViews:
    """N views with predictions.

    Attributes:
        names: of the views, as the table has them.
        files: their images.
        patients: whose they are.
        labels: (N, C) in {1, 0, -1, NaN}, as the dataset folder has them.
        probabilities: (N, C).
        observations: names of the C columns.
        preprocessing: of the runs' images.
        unpredicted: views of the split without a prediction.
        labels_of: the file of the labels.
        synthetic: whether the images are.
    """

    names: Sequence[str]
    files: Sequence[str]
    patients: Sequence[str]
    labels: np.ndarray
    probabilities: np.ndarray
    observations: Sequence[str]
    preprocessing: Preprocessing
    unpredicted: int
    labels_of: str
    synthetic: bool


def open_views(held: HeldOut, root: Path | None = None) -> AuditedViews:
    """Open the dataset folder of runs, and join their held-out predictions with its labels.

    Args:
        held: the predictions.
        root: of the dataset; by default that of the runs.

    Raises:
        UserError: the data cannot be read, or are not those that the runs have seen.
    """
    config = dict(held.configs[0])
    config["data"] = config["data"] | {"corrections": _find_corrections(config["data"])}
    dev, test = held.split == "dev", held.split == "test"
    data = open_config_data(config, root, hint=HINT, learned=dev, test=test, policy=False)
    frame = join_parts(data.frames) if dev else data.frames[held.split]
    for run, own in zip(held.runs, held.configs, strict=True):
        check_same_data(run, held.split, _select(frame, own) if dev else frame)
    places = {run_files.view_name(path): row for row, path in enumerate(frame["path"])}
    if missing := [name for name in held.names if run_files.view_name(name) not in places]:
        message = f"{len(missing)} of {len(held.names)} predicted views are not in the dataset folder"
        where = f"{held.runs[0]}: {missing[0]}"
        raise UserError(message, code="other-data", where=where, hint="give the data of the runs: --root FOLDER")
    rows = [places[run_files.view_name(name)] for name in held.names]
    listed = frame if held.folds or not dev else _select(frame, held.configs[0])
    found = frame.iloc[rows]
    source = data.sources["train" if dev else held.split]
    return AuditedViews(
        list(found["path"]), list(found["file"]), list(found["patient"]),
        found[list(held.observations)].to_numpy("float64"), held.probabilities, held.observations, data.preprocessing,
        len(listed) - len(rows), source["labels"], bool(source["synthetic"]),
    )  # fmt: skip


def _find_corrections(data: dict[str, Any]) -> object:
    """Corrections of what is evaluated; those of training labels alone leave the held-out labels as they were."""
    return data.get("corrections") if data.get("correct_evaluated") else None


def _select(frame: Any, config: Mapping[str, Any]) -> Any:
    """Return the rows of the patients that the run of a config holds out."""
    data = config["data"]
    return select_held_out(frame, data.get("dev"), data.get("folds"), data.get("fold"), config["seed"])


def check_same_data(run: Path, split: str, frame: Any) -> None:
    """Check that a run has seen these views with these labels; data.json leaves out those it could not read.

    Raises:
        UserError: it has seen others.
    """
    recorded = read_mapping(run / run_files.DATA).get("splits", {}).get(split, {}).get("fingerprint")
    skipped = set(read_mapping(run / run_files.METRICS).get("skipped", []))
    if recorded and recorded != fingerprint(frame[~frame["path"].isin(skipped)]):
        message = f"the views or labels of {split} are not those that this run has seen"
        hint = "give the data of the run: --root FOLDER; after a change of the tables train again"
        raise UserError(message, code="other-data", where=str(run), hint=hint)
