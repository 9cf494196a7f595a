"""The state of a run in its folder, during the run and afterwards, for sweeps and comparisons."""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.own_modules import list_own_modules
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping
from chexpert.signals import PrunedError, Stopped

ENDS: dict[type, str] = {Stopped: "stopped", PrunedError: "pruned"}
PACKAGES = ("torch", "timm", "pytorch-lightning", "chexpert")


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that determine the metrics."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@contextmanager
def writing_state(folder: Path, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Keep state.json while a run works in a folder.

    The state is ``running``, then ``finished``, ``stopped`` with the signal, ``pruned``, or ``failed`` with the reason.
    A resumed run keeps its start time and adds up its seconds.

    Args:
        folder: of the run.
        overrides: what was chosen on the command line.
    """
    path = folder / run_files.STATE
    before = read_mapping(path)
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    state: dict[str, Any] = {
        "state": "running",
        "why": None,
        "command": " ".join(["chexpert train", *(f"allow={name}" for name in list_own_modules()), *overrides]),
        "overrides": list(overrides),
        "versions": list_versions(),
        "started": before.get("started", now),
        "resumed": [*before.get("resumed", []), now] if before else [],
        "seconds": before.get("seconds"),
    }
    run_files.write_json(path, state)
    try:
        yield
    except BaseException as error:  # written and raised again: also for an interrupt
        why = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
        write_end(folder, ENDS.get(type(error), "failed"), why)
        raise
    write_end(folder, "finished")


def write_end(folder: Path, outcome: str, why: str | None = None) -> None:
    """Write how a run ended, and its seconds; a run that has ended keeps its first outcome.

    Args:
        folder: of the run.
        outcome: ``finished``, ``stopped``, ``pruned`` or ``failed``.
        why: the signal or the error.
    """
    path = folder / run_files.STATE
    with suppress(OSError, UserError):  # a full disk: the first error was printed, and stays the one that is raised
        state = read_mapping(path)
        if state.get("state") == "running":
            begun = datetime.fromisoformat([state["started"], *state["resumed"]][-1])
            seconds = (state["seconds"] or 0) + (datetime.now().astimezone() - begun).total_seconds()
            run_files.write_json(path, state | {"state": outcome, "why": why, "seconds": round(seconds, 1)})


def find_sweep(job: Path) -> Path | None:
    """Return the folder of the sweep that a job belongs to; None of a single run."""
    return next((above for above in job.parents if (above / run_files.SWEEP).is_file()), None)


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Lock a run folder for this process; the system releases the lock when the process dies.

    A file in the folder is locked: NFS and Windows lock no folder. Where there are no locks at all, a note says so.

    Raises:
        UserError: another process holds it.
    """
    held = FileLock(folder / run_files.LOCK, blocking=False, fallback_to_soft=False)
    try:
        held.acquire()
    except Timeout as error:
        hint = "wait for it, stop it, or take another hydra.run.dir"
        raise UserError("a run is working in this folder", code="running", where=str(folder), hint=hint) from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        log.log(NOTE, f"{folder} cannot be locked ({reason}): start no second run in it")
    try:
        yield
    finally:
        held.release()


def is_running(folder: Path) -> bool:
    """Return whether a run works in this folder; nothing is written where none ever did."""
    if not (folder / run_files.LOCK).exists():
        return False
    try:
        with run_lock(folder):
            return False
    except UserError:
        return True


def wait_for(folder: Path, seconds: float = 2) -> None:
    """Wait until no process works in this folder: jobs continue after the sweep itself was killed."""
    if is_running(folder):
        log.info(f"waiting for the job that still runs in {folder}")
    while is_running(folder):
        time.sleep(seconds)
