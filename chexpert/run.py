"""From a config to a run folder: build, fit, judge the best weights, explain."""

import json
import logging
import math
import shutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from chexpert import rundir
from chexpert.build import (
    build,
    build_model,
    check_input,
    data_arguments,
    read_checkpoint,
    takes_total_steps,
    try_out,
    without_weights,
)
from chexpert.config import resolve
from chexpert.data import CheXpertDataModule, Preprocessing, check_studies
from chexpert.features import use_features
from chexpert.fitting import fit
from chexpert.problem import ProblemError
from chexpert.report import describe, write_report
from chexpert.resume import find_changes, read_config, read_state, strip_place
from chexpert.state import telling_state
from chexpert.stopping import REQUEUE, Stopped, Stopper, heeding_signals, requeue
from chexpert.training import RESUME, choose_precision, clean

# Lightning warns of what is chosen on purpose here.
EXPECTED = ("does not have many workers", "smaller than the logging interval", "in eval mode at the start", "LeafSpec")


def run(cfg: DictConfig, folder: Path, overrides: Sequence[str] = (), *, sweep: bool = False) -> float:
    """Trains, judges and explains what the config says, in an empty folder or, by ``resume``, where it was left.

    Args:
        cfg: as Hydra composed it.
        folder: of the run.
        overrides: what was chosen on the command line, for the run to tell.
        sweep: the run is a job of a sweep: its folder stays, with its state, also where nothing was trained, and one
            that failed before is not tried again.

    Returns:
        The mean AUROC of the best weights on the split that chose them, for a sweeper to rank; NaN if undefined.

    Raises:
        ProblemError: something the user can mend. The folder is then gone, unless it holds a checkpoint or is kept.
        Stopped: by a signal; ``resume`` goes on from there.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # a run's own lines say it better
    for message in EXPECTED:
        warnings.filterwarnings("ignore", message=f".*{message}")
    new = not any(folder.iterdir())
    if not new and (mean := take_up(cfg, folder, sweep=sweep)) is not None:
        return mean
    try:
        with heeding_signals() as stopper, telling_state(folder, strip_place(overrides)):
            mean = work(cfg, folder, stopper)
    except Stopped as stopped:
        print(f"{stopped}; go on with: python train.py resume={folder}", file=sys.stderr)
        if stopped.signal == REQUEUE:
            requeue()
        raise
    except Exception:
        if (folder / rundir.METRICS).is_file():  # it was judged before it failed
            write_report(folder)
        elif new and not sweep and not any(folder.glob(f"{rundir.CHECKPOINTS}/*.ckpt")):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    write_report(folder)  # once the run's state says that it is finished
    print(describe(folder))
    return mean


def take_up(cfg: DictConfig, folder: Path, *, sweep: bool) -> float | None:
    """The mean AUROC of a run that is finished, None where it is to go on.

    Raises:
        ProblemError: nothing is to go on with, or it is another run that lies there.
    """
    told = read_state(folder)
    if not cfg.get("resume") or not told:
        mend = "choose another hydra.run.dir" + ", or go on with what lies there: resume=auto" * bool(told)
        raise ProblemError("the run folder is not empty", where=str(folder), mend=mend)
    if sweep and told["state"] == "failed":
        mend = f"once it is mended: python train.py resume={folder}"
        raise ProblemError(f"failed before: {told['why']}", where=str(folder), mend=mend)
    before, now = read_config(folder), resolve(cfg)
    if before is None:
        return None  # it did not come so far
    if changes := find_changes(before, now):
        mend = "give the settings that it had, or start another run: without resume"
        what = "this run had another configuration: " + "; ".join(changes)
        raise ProblemError(what, where=str(folder), mend=mend)
    epochs = [config["trainer"].get("max_epochs") for config in (before, now)]
    if told["state"] == "finished" and epochs[0] == epochs[1]:
        print(f"finished before: {folder}")
        metrics = json.loads((folder / rundir.METRICS).read_text())
        mean = metrics[metrics["epoch_chosen_on"] or "valid"]["auroc_mean"]
        return math.nan if mean is None else mean
    if epochs[0] != epochs[1] and takes_total_steps(now["scheduler"]):
        mend = f"trainer.max_epochs={epochs[0]}, or another run with a scheduler that knows no end, such as constant"
        raise ProblemError("its learning rates were laid out for all its epochs", where="trainer.max_epochs", mend=mend)
    return None


def work(cfg: DictConfig, folder: Path, stopper: Stopper) -> float:
    """Builds and tries everything, then fits; see :func:`run`."""
    plain = resolve(cfg)
    clean(folder)
    pl.seed_everything(plain["seed"], workers=True, verbose=False)
    try_out(plain)
    last = find_last(folder)
    # Before any data is read: weights may not be had.
    model = build_model(plain if last is None else without_weights(plain))
    accelerator = plain["trainer"].get("accelerator", "auto")
    precision = "32-true" if plain["features"] else choose_precision(model, accelerator)  # a classifier alone is small
    plain["trainer"].setdefault("precision", precision)  # config.yaml then tells it
    data = build(plain["data"], "data", **data_arguments(plain))
    check_input(model, data.preprocessing.size)
    only_judged = plain["trainer"].get("max_epochs") == 0 and not plain["predict_train"]
    data.setup("validate" if only_judged else "fit")
    check_preprocessing(plain, data)
    if plain["level"] == "study":
        check_studies({split: data.frames[split] for split in data.reported})
    use_features(plain, model, data)
    return fit(plain, model, data, folder, stopper, last)


def find_last(folder: Path) -> Path | None:
    """The checkpoint from which a run goes on.

    Raises:
        ProblemError: it cannot be read, or tells no place.
    """
    path = rundir.checkpoint(folder, rundir.LAST)
    if not path.is_file():
        return None
    read_checkpoint(path)
    if RESUME not in torch.load(path, map_location="cpu", weights_only=True, mmap=True):
        mend = f"begin a new run from its weights: start_from={folder}"
        raise ProblemError("an older version left this checkpoint, without its place", where=str(path), mend=mend)
    return path


def check_preprocessing(cfg: Mapping[str, Any], data: CheXpertDataModule) -> None:
    """A run that only judges must show the model what it was trained on; one that trains may change the size."""
    if not cfg.get("start_from") or cfg["trainer"].get("max_epochs") != 0:
        return
    trained = Preprocessing(**read_checkpoint(cfg["start_from"])[0]["preprocessing"])
    if trained != data.preprocessing:
        mend = f"data.size={trained.size} data.fit={trained.fit}"
        raise ProblemError(f"trained on {trained}, judged on {data.preprocessing}", where="data", mend=mend)
