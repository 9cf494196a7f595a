"""From a config to a run folder: build, fit, judge the best weights, explain."""

import errno
import logging
import math
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from chexpert.checkpoints import clean
from chexpert.data import check_studies
from chexpert.distributed import agree, count_devices, find_rank, launch
from chexpert.engine.build import build_model, try_out
from chexpert.engine.fit import fit, telling_no_room
from chexpert.engine.resume_checks import find_last, take_up
from chexpert.engine.setup import check_preprocessing, choose_settings, prepare, settle, try_model
from chexpert.errors import ProblemError
from chexpert.report import describe, write_report
from chexpert.runs import files as run_files
from chexpert.runs.resume import keep_origins, read_config, strip_place
from chexpert.runs.state import alone, tell_stopped, telling_state, wait_for
from chexpert.signals import REQUEUE, Stopped, Stopper, heeding_signals, requeue

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
        new = run_files.is_empty(folder)
        found: list[float | None] = []

        def look() -> str:
            found.append(None if new else take_up(cfg, folder, sweep=sweep, overrides=strip_place(overrides)))
            return "work" if found[0] is None else "nothing"

        agree(f"{folder.name}: to do", look)
        if found[0] is not None:
            return found[0]
        patient = find_rank() is not None
        heeding = heeding_signals(patient=patient, last_words=partial(leave, folder, sweep=sweep))
        with ending(folder, discard=new and not sweep, sweep=sweep), heeding as stopper:
            with telling_state(folder, strip_place(overrides)):
                mean = share_out(settle(cfg), folder, stopper)
            with telling_no_room(folder):
                write_report(folder)  # with the explanations, once the run's state says that it is finished
    print(describe(folder))
    return mean


@contextmanager
def ending(folder: Path, *, discard: bool, sweep: bool = False) -> Iterator[None]:
    """Sees to what is left of a run that did not finish; ``discard``: nothing, unless it holds a checkpoint."""
    try:
        yield
    except Stopped as stopped:
        leave(folder, stopped, sweep=sweep)
        raise
    except Exception as error:
        if (folder / run_files.METRICS).is_file():  # it was judged before it failed
            with suppress(Exception):  # what went wrong first is told
                write_report(folder)
        elif discard and not any(folder.glob(f"{run_files.CHECKPOINTS}/*.ckpt")):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            mend = "make room there; then go on with resume=RUN"
            raise ProblemError(f"cannot be written: {error.strerror}", where=str(folder), mend=mend) from error
        raise


def leave(folder: Path, stopped: Stopped, *, sweep: bool = False) -> None:
    """Tells how a stopped run is gone on with, puts its SLURM job back in the queue, and says so in its state."""
    whole = find_sweep(folder) if sweep else folder
    print(f"{stopped}; go on with: python train.py {quote(f'resume={whole}')}", file=sys.stderr, flush=True)
    if stopped.signal == REQUEUE:
        requeue()
    tell_stopped(folder, str(stopped))


def find_sweep(job: Path) -> Path:
    """The folder of the sweep that a job is of: gone on with, it finishes the job and works off those that are left."""
    return next((above for above in job.parents if (above / run_files.SWEEP).is_file()), job)


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
    model = build_model(plain if last is None else plain | {"start_from": str(last.path)})
    choose_settings(plain, model, folder if last else None)
    try_model(plain, model)
    only_judged = plain["trainer"].get("max_epochs") == 0 and not plain["predict_train"]
    data = prepare(plain, model, "validate" if only_judged else "fit", folder)
    check_preprocessing(plain, data)
    if plain["level"] == "study":
        check_studies({split: data.frames[split] for split in data.reported})
    if last and (before := read_config(folder)):
        plain = keep_origins(before, plain)
    return fit(plain, model, data, folder, stopper, last)
