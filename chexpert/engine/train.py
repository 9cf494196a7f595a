"""From a config to a run folder: build, fit, evaluate the best weights, explain."""

import logging
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from chexpert.checkpoints import clean
from chexpert.console import log
from chexpert.data import check_studies
from chexpert.distributed import broadcast_decision, count_devices, find_rank, launch
from chexpert.engine.build import build_model, try_out
from chexpert.engine.fit import fit, report_errors_as_warnings
from chexpert.engine.resume_checks import find_last, resume_decision
from chexpert.engine.setup import check_preprocessing, choose_settings, prepare, resolve_settings, try_model
from chexpert.engine.tracking import Tracking, tracking
from chexpert.errors import FULL, UserError
from chexpert.report import describe, write_report
from chexpert.runs import files as run_files
from chexpert.runs.diff import keep_original_paths
from chexpert.runs.read import read_config
from chexpert.runs.resume import strip_place
from chexpert.runs.state import (
    find_sweep,
    remove_folder,
    run_lock,
    wait_for,
    write_end,
    write_resume_command,
    writing_state,
)
from chexpert.signals import REQUEUE, Stopped, Stopper, handling_signals, requeue

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
    "but have no logger configured",
)


def run(
    cfg: DictConfig,
    folder: Path,
    overrides: Sequence[str] = (),
    *,
    sweep: bool = False,
    summary: bool = True,
    config_dir: Path | None = None,
) -> float:
    """Train, evaluate and explain by a config, in an empty folder or, with ``resume``, from the last checkpoint.

    Args:
        cfg: as Hydra composed it.
        folder: of the run.
        overrides: of the command line, for state.json.
        sweep: the run is a job of a sweep: its folder stays, with its state, also where nothing was trained, and one
            that failed before is not tried again.
        summary: whether the metrics and the next steps are printed at the end.
        config_dir: the user's own folder of options, for state.json.

    Returns:
        The mean AUROC of the best weights on the split that chose them, for a sweeper to rank; NaN if undefined.

    Raises:
        UserError: something the user can fix. The folder is then gone, unless it holds a checkpoint or is kept.
        Stopped: by a signal; ``resume`` continues from there.
        PrunedError: a search has no use for this run.
    """
    silence_libraries()
    if find_rank():  # of the processes of torchrun or srun, the first reports the run
        return run_as_worker(cfg, folder)
    if sweep:
        wait_for(folder)
    with run_lock(folder):
        new = run_files.is_empty(folder)
        found: list[float | None] = []

        def look() -> str:
            found.append(None if new else resume_decision(cfg, folder, sweep=sweep, overrides=strip_place(overrides)))
            return "work" if found[0] is None else "nothing"

        broadcast_decision(f"{folder.name}: to do", look)
        if found[0] is not None:
            return found[0]
        deferred = find_rank() is not None
        handling = handling_signals(deferred=deferred, before_exit=partial(report_stopped, folder, sweep=sweep))
        recording = writing_state(folder, strip_place(overrides), config_dir)
        with ending(folder, discard=new and not sweep, sweep=sweep), handling as stopper, recording:
            mean = launch_workers(resolve_settings(cfg), folder, stopper)
    if summary:
        print(describe(folder))
    return mean


@contextmanager
def ending(folder: Path, *, discard: bool, sweep: bool = False) -> Iterator[None]:
    """Clean up after a run that did not finish; ``discard``: remove its folder, unless it holds a checkpoint."""
    try:
        yield
    except Stopped as stopped:
        report_stopped(folder, stopped, sweep=sweep)
        raise
    except Exception as error:
        if (folder / run_files.METRICS).is_file():  # it was evaluated before it failed
            with suppress(Exception):  # the first error is the one that is raised
                write_report(folder)
        elif discard and not any(folder.glob(f"{run_files.CHECKPOINTS}/*.ckpt")):
            remove_folder(folder)
        if isinstance(error, OSError) and error.errno in FULL:
            hint = f"free space there; then resume: {write_resume_command(folder)}"
            raise UserError(
                f"cannot be written: {error.strerror}", code="write-failed", where=str(folder), hint=hint
            ) from error
        raise


def report_stopped(folder: Path, stopped: Stopped, *, sweep: bool = False) -> None:
    """Print how to resume a stopped run, requeue its SLURM job, and write its state."""
    whole = (find_sweep(folder) or folder) if sweep else folder
    log.info(f"{stopped}; resume with: {write_resume_command(whole)}")
    if stopped.signal == REQUEUE:
        requeue()
    write_end(folder, "stopped", str(stopped))


def launch_workers(plain: dict[str, Any], folder: Path, stopper: Stopper) -> float:
    """Train in this process, or in one process for each device."""
    clean(folder)
    count = count_devices(plain["trainer"])
    if find_rank() is None and plain["trainer"].get("num_nodes", 1) > 1:
        hint = "start it on each of them by torchrun or srun: docs/how-to/slurm.md"
        raise UserError(
            "one process cannot start others on other machines", code="conflict", where="trainer.num_nodes", hint=hint
        )
    if find_rank() is not None or count == 1:
        return work(plain, folder, stopper)
    return launch(work_as_rank, count, plain, folder)


def run_as_worker(cfg: DictConfig, folder: Path) -> float:
    """Train beside the first process, which reports the run."""
    if broadcast_decision(f"{folder.name}: to do", str) == "nothing":
        return math.nan
    return work_as_rank(resolve_settings(cfg), folder)


def work_as_rank(plain: dict[str, Any], folder: Path) -> float:
    """Train as one of several processes."""
    silence_libraries()
    if plain["trainer"].get("accelerator") == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // count_devices(plain["trainer"])))
    with handling_signals(deferred=True) as stopper:
        return work(plain, folder, stopper)


def silence_libraries() -> None:
    """Silence messages of libraries; the run's own lines give the same information."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    for message in EXPECTED:
        warnings.filterwarnings("ignore", message=f".*{message}")


def work(plain: dict[str, Any], folder: Path, stopper: Stopper) -> float:
    """Build and try everything, then fit; see :func:`run`."""
    pl.seed_everything(plain["seed"], workers=True, verbose=False)
    try_out(plain)
    last = find_last(folder, plain["trainer"].get("max_epochs"))
    # Before any data is read: weights may be unavailable. A resumed run has them all in its checkpoint.
    model = build_model(plain | {"start_from": str(last.path)}, resumes=True) if last else build_model(plain)
    choose_settings(plain, model, folder if last else None)
    try_model(plain, model)
    only_evaluated = plain["trainer"].get("max_epochs") == 0 and not plain["predict_train"]
    data = prepare(plain, model, "validate" if only_evaluated else "fit", folder)
    check_preprocessing(plain, data)
    if plain["level"] == "study":
        check_studies({split: data.frames[split] for split in data.reported})
    if last and (before := read_config(folder)):
        plain = keep_original_paths(before, plain)
    with tracking(plain, folder, last and last.steps) as tracked:
        mean = fit(plain, model, data, folder, stopper, last, tracked)
        if not find_rank():
            finish(folder, tracked)
    return mean


def finish(folder: Path, tracked: Tracking) -> None:
    """Write the state, which the report shows, and the report with the explanations, and record the report.

    A server may take long to store the report, or never answer: the run has finished before.
    """
    write_end(folder, "finished")
    with report_errors_as_warnings(folder):
        write_report(folder)
    tracked.log_file(folder / run_files.REPORT)
