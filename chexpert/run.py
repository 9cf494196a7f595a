"""From a config to a run folder: build, fit, judge the best weights, explain."""

import errno
import json
import logging
import math
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    takes_total_steps,
    try_out,
)
from chexpert.config import resolve
from chexpert.data import CheXpertDataModule, Preprocessing, check_studies
from chexpert.features import use_features
from chexpert.fitting import Last, fit
from chexpert.models import Model
from chexpert.problem import ProblemError
from chexpert.ranks import agree, count_devices, find_rank, launch
from chexpert.report import describe, write_report
from chexpert.resume import find_changes, read_config, read_state, strip_place
from chexpert.state import alone, telling_state, wait_for
from chexpert.stopping import REQUEUE, PrunedError, Stopped, Stopper, heeding_signals, requeue
from chexpert.stored import read_checkpoint, without_weights
from chexpert.training import RESUME, choose_precision, clean

# Lightning warns of what is chosen on purpose here.
EXPECTED = (
    "does not have many workers",
    "smaller than the logging interval",
    "in eval mode at the start",
    "LeafSpec",
    "exists and is not empty",
    "dataloader is not resumable",
    "It is recommended to use `self.log",
    "You are using a custom batch sampler",
)


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
        PrunedError: a search has no use for this run.
    """
    quiet()
    if find_rank():  # of the processes that torchrun or srun has started, the first tells of the run
        return follow(cfg, folder)
    if sweep:
        wait_for(folder)
    with alone(folder):
        new = rundir.is_empty(folder)
        found: list[float | None] = []

        def look() -> str:
            found.append(None if new else take_up(cfg, folder, sweep=sweep))
            return "work" if found[0] is None else "nothing"

        agree(f"{folder.name}: to do", look)
        if found[0] is not None:
            return found[0]
        patient = find_rank() is not None
        with ending(folder, discard=new and not sweep), heeding_signals(patient=patient) as stopper:
            with telling_state(folder, strip_place(overrides)):
                mean = share_out(settle(cfg), folder, stopper)
            write_report(folder)  # once the run's state says that it is finished
    print(describe(folder))
    return mean


@contextmanager
def ending(folder: Path, *, discard: bool) -> Iterator[None]:
    """Sees to what is left of a run that did not finish; ``discard``: nothing, unless it holds a checkpoint."""
    try:
        yield
    except Stopped as stopped:
        print(f"{stopped}; go on with: python train.py resume={folder}", file=sys.stderr)
        if stopped.signal == REQUEUE:
            requeue()
        raise
    except Exception as error:
        if (folder / rundir.METRICS).is_file():  # it was judged before it failed
            with suppress(Exception):  # what went wrong first is told
                write_report(folder)
        elif discard and not any(folder.glob(f"{rundir.CHECKPOINTS}/*.ckpt")):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            mend = "make room there; then go on with resume=RUN"
            raise ProblemError(f"cannot be written: {error.strerror}", where=str(folder), mend=mend) from error
        raise


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
    if sweep and told["state"] == "pruned":
        raise PrunedError(told["why"])
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


def settle(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain containers, checked, and how several devices work together."""
    plain = resolve(cfg)
    trainer = plain["trainer"]
    if find_rank() is not None or count_devices(trainer) > 1:
        trainer.setdefault("strategy", "ddp")
        if plain["unfreeze_epoch"] and trainer["strategy"] == "ddp":
            trainer["strategy"] = "ddp_find_unused_parameters_true"  # it waits for every gradient otherwise
    return plain


def share_out(plain: dict[str, Any], folder: Path, stopper: Stopper) -> float:
    """Works here, or where several devices are asked for in a process for each of them."""
    clean(folder)
    count = count_devices(plain["trainer"])
    if find_rank() is None and plain["trainer"].get("num_nodes", 1) > 1:
        mend = "start it on each of them by torchrun or srun: docs/cluster.md"
        raise ProblemError("one process cannot start others on other machines", where="trainer.num_nodes", mend=mend)
    if find_rank() is not None or count == 1:
        return work(plain, folder, stopper)
    return launch(work_as_rank, count, plain, folder)


def follow(cfg: DictConfig, folder: Path) -> float:
    """Works beside the first process, which tells of the run."""
    if agree(f"{folder.name}: to do", str) == "nothing":
        return math.nan
    return work_as_rank(settle(cfg), folder)


def work_as_rank(plain: dict[str, Any], folder: Path) -> float:
    """Works as one of several processes."""
    quiet()
    if plain["trainer"].get("accelerator") == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // count_devices(plain["trainer"])))
    with heeding_signals(patient=True) as stopper:
        return work(plain, folder, stopper)


def quiet() -> None:
    """Keeps back what libraries say: a run's own lines say it better."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    for message in EXPECTED:
        warnings.filterwarnings("ignore", message=f".*{message}")


def work(plain: dict[str, Any], folder: Path, stopper: Stopper) -> float:
    """Builds and tries everything, then fits; see :func:`run`."""
    pl.seed_everything(plain["seed"], workers=True, verbose=False)
    try_out(plain)
    last = find_last(folder, plain["trainer"].get("max_epochs"))
    # Before any data is read: weights may not be had. One that goes on has them all in its checkpoint.
    model = build_model(plain if last is None else without_weights(plain) | {"start_from": None})
    choose_settings(plain, model, folder if last else None)
    only_judged = plain["trainer"].get("max_epochs") == 0 and not plain["predict_train"]
    data = prepare(plain, model, "validate" if only_judged else "fit", folder)
    check_preprocessing(plain, data)
    if plain["level"] == "study":
        check_studies({split: data.frames[split] for split in data.reported})
    return fit(plain, model, data, folder, stopper, last)


def choose_settings(plain: dict[str, Any], model: Model, before: Path | None) -> None:
    """Sets what is left to the model and its device, or as it was ``before``; config.yaml then tells it."""
    trainer = plain["trainer"]
    chosen = choose_precision(model, trainer.get("accelerator", "auto"))
    if plain["features"]:
        chosen = "32-true"  # a classifier alone is small
    config = before and read_config(before)
    trainer.setdefault("precision", config["trainer"]["precision"] if config else chosen)


def prepare(plain: dict[str, Any], model: Model, stage: str, folder: Path) -> CheXpertDataModule:
    """Reads the data. The first process does so before the others: it may draw a phantom or fill a cache."""
    made: list[CheXpertDataModule] = []

    def make() -> str:
        data = build(plain["data"], "data", **data_arguments(plain))
        check_input(model, data.preprocessing.size)
        data.setup(stage)
        use_features(plain, model, data)
        made.append(data)
        return "there"

    agree(f"{folder.name}: data", make)
    if not made:
        make()
    return made[0]


def find_last(folder: Path, epochs: int | None) -> Last | None:
    """The checkpoint from which a run goes on.

    Raises:
        ProblemError: it cannot be read, tells no place, or has been trained for more epochs than that.
    """
    path = rundir.checkpoint(folder, rundir.LAST)
    if not path.is_file():
        return None
    read_checkpoint(path)
    place = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get(RESUME)
    if place is None:
        mend = f"begin a new run from its weights: start_from={folder}"
        raise ProblemError("an older version left this checkpoint, without its place", where=str(path), mend=mend)
    begun = place["epoch"] + (place["batches"] > 0)
    if epochs is not None and begun > epochs:
        mend = f"trainer.max_epochs={begun} or more"
        raise ProblemError(f"it is in epoch {begun} already", where="trainer.max_epochs", mend=mend)
    return Last(path, place["steps"])


def check_preprocessing(cfg: Mapping[str, Any], data: CheXpertDataModule) -> None:
    """A run that only judges must show the model what it was trained on; one that trains may change the size."""
    if not cfg.get("start_from") or cfg["trainer"].get("max_epochs") != 0:
        return
    trained = Preprocessing(**read_checkpoint(cfg["start_from"])[0]["preprocessing"])
    if trained != data.preprocessing:
        mend = f"data.size={trained.size} data.fit={trained.fit}"
        raise ProblemError(f"trained on {trained}, judged on {data.preprocessing}", where="data", mend=mend)
