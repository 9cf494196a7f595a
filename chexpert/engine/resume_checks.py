"""Whether the run of a folder is to resume, and from which checkpoint."""

import math
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from omegaconf import DictConfig

from chexpert.checkpoints import RESUME, load_content, read_metadata
from chexpert.config import resolve
from chexpert.console import NOTE, log
from chexpert.data import CheXpertDataModule, list_differences, list_repaired
from chexpert.engine.build import takes_total_steps
from chexpert.errors import UserError
from chexpert.runs import files as run_files
from chexpert.runs.diff import describe_moved, find_changes, find_later_changes
from chexpert.runs.read import read_config, read_mapping, read_state
from chexpert.runs.state import write_resume_command
from chexpert.signals import PrunedError


class Last(NamedTuple):
    """The checkpoint from which a run resumes, and the number of its steps."""

    path: Path
    steps: int


def resume_decision(cfg: DictConfig, folder: Path, *, sweep: bool, overrides: Sequence[str] = ()) -> float | None:
    """Return the mean AUROC of a finished run, None where it is to resume.

    A job of a sweep that failed is not tried again by the same overrides.

    Raises:
        UserError: there is nothing to resume, or the folder holds another run.
        PrunedError: a search had no use for it.
    """
    state = read_state(folder)
    if not cfg.get("resume") or not state:
        hint = "choose another: hydra.run.dir=..."
        hint += f", or resume that run: {write_resume_command(folder)}" * bool(state)
        raise UserError("the run folder is not empty", code="not-empty", where=str(folder), hint=hint)
    if sweep and state["state"] == "failed" and list(overrides) == state["overrides"]:  # others may do better
        hint = f"once it is fixed: {write_resume_command(folder)}"
        raise UserError(f"failed before: {state['why']}", code="failed-run", where=str(folder), hint=hint)
    if sweep and state["state"] == "pruned":
        raise PrunedError(state["why"])
    before, now = read_config(folder), resolve(cfg)
    if not before:
        return None  # it did not come so far
    if changes := find_changes(before, now):
        hint = "give the settings that it had, or start another run: without resume"
        message = "this run had another configuration: " + "; ".join(changes)
        raise UserError(message, code="other-config", where=str(folder), hint=hint)
    begun = run_files.checkpoint(folder, run_files.LAST).is_file()
    for change in [*describe_moved(before, now, begun=begun), *find_later_changes(before, now)]:
        log.log(NOTE, change)
    epochs = [config["trainer"].get("max_epochs") for config in (before, now)]
    if state["state"] == "finished" and epochs[0] == epochs[1]:
        metrics = read_mapping(folder / run_files.METRICS)
        if "epoch_chosen_on" not in metrics:
            hint = "run it anew: delete the folder"
            raise UserError(
                "a finished run without its metrics",
                code="missing-file",
                where=str(folder / run_files.METRICS),
                hint=hint,
            )
        log.info(f"finished before: {folder}")
        if find_later_changes(before, now):
            hint = f"chexpert explain {quote(str(folder))} --out FOLDER"
            log.log(NOTE, f"calibration, explanations and test-time augmentation stay as they are; explain by: {hint}")
        mean = metrics[metrics["epoch_chosen_on"] or "valid"]["auroc_mean"]
        return math.nan if mean is None else mean
    if epochs[0] != epochs[1] and takes_total_steps(now["scheduler"]):
        hint = f"trainer.max_epochs={epochs[0]}, or another run with a scheduler that knows no end, such as constant"
        raise UserError(
            "its learning rates were laid out for all its epochs",
            code="other-config",
            where="trainer.max_epochs",
            hint=hint,
        )
    return None


def check_data(folder: Path, data: CheXpertDataModule) -> None:
    """Check that these are the data of the run in a folder, wherever they lie now.

    Raises:
        UserError: they are others.
    """
    before = read_mapping(folder / run_files.DATA).get("splits", {})
    if not before:
        return
    lost = read_mapping(folder / run_files.METRICS).get(
        "skipped", []
    )  # where it was evaluated, data.json leaves these out
    now = data.summarize()["splits"]
    found = list_differences(before, now)
    if found and not (lost and not list_differences(before, data.summarize(lost)["splits"])):
        hint = "give the data that it has seen, wherever they lie: data.root=...; or start another run: without resume"
        raise UserError(
            "this run has seen other data: " + "; ".join(found), code="other-data", where=str(data.root), hint=hint
        )
    for line in list_repaired(before, now):
        log.log(NOTE, line)


def find_last(folder: Path, epochs: int | None) -> Last | None:
    """Return the checkpoint from which a run resumes.

    Raises:
        UserError: it cannot be read, has no place, or has been trained for more epochs than that.
    """
    path = run_files.checkpoint(folder, run_files.LAST)
    if not path.is_file():
        return None
    read_metadata(path)
    place = load_content(path, mmap=True).get(RESUME)
    if place is None:
        hint = f"begin a new run from its weights: {quote(f'start_from={folder}')}"
        raise UserError(
            "an older version left this checkpoint, without its place",
            code="old-checkpoint",
            where=str(path),
            hint=hint,
        )
    begun = place["epoch"] + (place["batches"] > 0)
    if epochs is not None and begun > epochs:
        hint = f"trainer.max_epochs={begun} or more"
        raise UserError(f"it is in epoch {begun} already", code="value", where="trainer.max_epochs", hint=hint)
    return Last(path, place["steps"])
