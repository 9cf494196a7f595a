"""Whether what lies in a run folder is to go on, and from which checkpoint."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import torch
from omegaconf import DictConfig

from chexpert.checkpoints import RESUME, read_checkpoint
from chexpert.config import resolve
from chexpert.data import CheXpertDataModule, list_differences, list_repaired
from chexpert.engine.build import takes_total_steps
from chexpert.errors import ProblemError
from chexpert.evaluation.candidates import read_json
from chexpert.runs import files as run_files
from chexpert.runs.resume import describe_moved, find_changes, find_later_changes, read_config, read_state
from chexpert.signals import PrunedError


class Last(NamedTuple):
    """The checkpoint from which a run goes on, and how many steps it has behind it."""

    path: Path
    steps: int


def take_up(cfg: DictConfig, folder: Path, *, sweep: bool, overrides: Sequence[str] = ()) -> float | None:
    """The mean AUROC of a run that is finished, None where it is to go on.

    A job of a sweep that failed is not tried again by the same overrides.

    Raises:
        ProblemError: nothing is to go on with, or it is another run that lies there.
        PrunedError: a search had no use for it.
    """
    told = read_state(folder)
    if not cfg.get("resume") or not told:
        mend = "choose another: hydra.run.dir=..."
        mend += f", or go on with what lies there: python train.py {quote(f'resume={folder}')}" * bool(told)
        raise ProblemError("the run folder is not empty", where=str(folder), mend=mend)
    if sweep and told["state"] == "failed" and list(overrides) == told["overrides"]:  # others may do better
        mend = f"once it is mended: python train.py {quote(f'resume={folder}')}"
        raise ProblemError(f"failed before: {told['why']}", where=str(folder), mend=mend)
    if sweep and told["state"] == "pruned":
        raise PrunedError(told["why"])
    before, now = read_config(folder), resolve(cfg)
    if before is None:
        return None  # it did not come so far
    if changes := find_changes(before, now):
        mend = "give the settings that it had, or start another run: without resume"
        what = "this run had another configuration: " + "; ".join(changes)
        raise ProblemError(what, where=str(folder), mend=mend)
    begun = run_files.checkpoint(folder, run_files.LAST).is_file()
    for change in [*describe_moved(before, now, begun=begun), *find_later_changes(before, now)]:
        print(f"note: {change}", file=sys.stderr)
    epochs = [config["trainer"].get("max_epochs") for config in (before, now)]
    if told["state"] == "finished" and epochs[0] == epochs[1]:
        metrics = read_json(folder / run_files.METRICS)
        if "epoch_chosen_on" not in metrics:
            mend = "run it anew: delete the folder"
            raise ProblemError("a finished run without its figures", where=str(folder / run_files.METRICS), mend=mend)
        print(f"finished before: {folder}")
        if find_later_changes(before, now):
            mend = f"python scripts/explain.py {quote(str(folder))} --out FOLDER"
            print(f"note: nothing is calibrated or explained again; explain by: {mend}", file=sys.stderr)
        mean = metrics[metrics["epoch_chosen_on"] or "valid"]["auroc_mean"]
        return math.nan if mean is None else mean
    if epochs[0] != epochs[1] and takes_total_steps(now["scheduler"]):
        mend = f"trainer.max_epochs={epochs[0]}, or another run with a scheduler that knows no end, such as constant"
        raise ProblemError("its learning rates were laid out for all its epochs", where="trainer.max_epochs", mend=mend)
    return None


def check_data(folder: Path, data: CheXpertDataModule) -> None:
    """Sees that these are the data that the run in a folder has seen, wherever they lie now.

    Raises:
        ProblemError: they are others.
    """
    before = read_json(folder / run_files.DATA).get("splits", {})
    if not before:
        return
    lost = read_json(folder / run_files.METRICS).get(
        "skipped", []
    )  # where it was evaluated, data.json leaves these out
    now = data.summarise()["splits"]
    found = list_differences(before, now)
    if found and not (lost and not list_differences(before, data.summarise(lost)["splits"])):
        mend = "give the data that it has seen, wherever they lie: data.root=...; or start another run: without resume"
        raise ProblemError("this run has seen other data: " + "; ".join(found), where=str(data.root), mend=mend)
    for line in list_repaired(before, now):
        print(f"note: {line}", file=sys.stderr)


def find_last(folder: Path, epochs: int | None) -> Last | None:
    """The checkpoint from which a run goes on.

    Raises:
        ProblemError: it cannot be read, tells no place, or has been trained for more epochs than that.
    """
    path = run_files.checkpoint(folder, run_files.LAST)
    if not path.is_file():
        return None
    read_checkpoint(path)
    place = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get(RESUME)
    if place is None:
        mend = f"begin a new run from its weights: {quote(f'start_from={folder}')}"
        raise ProblemError("an older version left this checkpoint, without its place", where=str(path), mend=mend)
    begun = place["epoch"] + (place["batches"] > 0)
    if epochs is not None and begun > epochs:
        mend = f"trainer.max_epochs={begun} or more"
        raise ProblemError(f"it is in epoch {begun} already", where="trainer.max_epochs", mend=mend)
    return Last(path, place["steps"])
