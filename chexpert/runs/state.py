"""The state of a run in its folder, during the run and afterwards, for sweeps and comparisons."""

import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any

from filelock import FileLock, Timeout

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.own_modules import list_own_modules
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping, read_mapping_or_empty
from chexpert.signals import PrunedError, Stopped

ENDS: dict[type, str] = {Stopped: "stopped", PrunedError: "pruned"}
PACKAGES = ("torch", "timm", "pytorch-lightning", "chexpert")


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that determine the metrics."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@contextmanager
def writing_state(folder: Path, overrides: Sequence[str] = (), config_dir: Path | None = None) -> Iterator[None]:
    """Keep state.json while a run works in a folder.

    The state is ``running``, then ``finished``, ``stopped`` with the signal, ``pruned``, or ``failed`` with the reason.
    A resumed run keeps its start time and adds up its seconds.

    Args:
        folder: of the run.
        overrides: what was chosen on the command line.
        config_dir: the user's own folder of options.
    """
    path = folder / run_files.STATE
    before = read_mapping(path)
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    own = describe_own_parts(config_dir)
    state: dict[str, Any] = {
        "state": "running",
        "why": None,
        "command": " ".join(["chexpert train", *write_own_words(own), *overrides]),
        "overrides": list(overrides),
        "versions": list_versions(),
        "started": before.get("started", now),
        "resumed": [*before.get("resumed", []), now] if before else [],
        "seconds": before.get("seconds"),
    } | own
    run_files.write_json(path, state)
    try:
        yield
    except BaseException as error:  # written and raised again: also for an interrupt
        why = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
        write_end(folder, ENDS.get(type(error), "failed"), why)
        raise
    write_end(folder, "finished")


def describe_own_parts(config_dir: Path | None) -> dict[str, Any]:
    """Return the user's own modules and folder of options for a state file; empty where there are none.

    They are shown in commands, and never taken from a file.
    """
    own = {"allow": list_own_modules(), "config_dir": str(config_dir.absolute()) if config_dir else None}
    return {key: value for key, value in own.items() if value}


def write_own_words(state: Mapping[str, Any]) -> list[str]:
    """Return the words of a command line that a state's own modules and folder of options need."""
    allowed = [f"allow={name}" for name in state.get("allow") or ()]
    folder = state.get("config_dir")
    return [*allowed, *(["--config-dir", quote(str(run_files.shorten(folder)))] if folder else [])]


def write_resume_command(folder: Path) -> str:
    """Return the command that resumes the run or sweep in a folder."""
    sweep = (folder / run_files.SWEEP).is_file()
    state = read_mapping_or_empty(folder / (run_files.SWEEP if sweep else run_files.STATE))
    return " ".join(["chexpert train", *write_own_words(state), quote(f"resume={folder}")])


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
            run_files.write_json(path, state | {"state": outcome, "why": why, "seconds": _count_seconds(state)})


def _count_seconds(state: Mapping[str, Any]) -> float | None:
    """Return the seconds of the run until now; those of the state where it has no time of a start."""
    begun = [state.get("started"), *state.get("resumed", [])][-1]
    if begun is None:
        return state.get("seconds")
    return round(
        (state.get("seconds") or 0) + (datetime.now().astimezone() - datetime.fromisoformat(begun)).total_seconds(), 1
    )


def find_sweep(job: Path) -> Path | None:
    """Return the folder of the sweep that a job belongs to; None of a single run."""
    return next((above for above in job.parents if (above / run_files.SWEEP).is_file()), None)


_made: dict[Path, list[Path]] = {}
"""The folders that this process has made for a run folder, the innermost first."""


def make_folder(folder: Path) -> None:
    """Make a run folder, and note which folders above it were not there."""
    whole = folder.resolve()
    missing = [path for path in (whole, *whole.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    _made[whole] = missing


def remove_folder(folder: Path) -> None:
    """Remove a run folder with all that is in it, and the folders above it that were made for it and are empty."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # another run is there
        for path in _made.pop(folder.resolve(), [])[1:]:
            path.rmdir()


def remove_empty_folder(folder: Path) -> None:
    """Remove a folder that this process has made and in which no run has begun."""
    if _made.get(folder.resolve()) and folder.is_dir() and run_files.is_empty(folder):
        remove_folder(folder)


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
