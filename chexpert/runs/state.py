"""What a run folder says of its run while it runs and afterwards, so that sweeps and comparisons know."""

import errno
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chexpert.errors import ProblemError
from chexpert.runs import files as run_files
from chexpert.signals import PrunedError, Stopped

ENDS: dict[type, str] = {Stopped: "stopped", PrunedError: "pruned"}
PACKAGES = ("torch", "timm", "pytorch-lightning", "chexpert")


def list_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide over a figure."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@contextmanager
def telling_state(folder: Path, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Keeps state.json while a run works in a folder.

    It says ``running``, then ``finished``, ``stopped`` by which signal, ``pruned``, or ``failed`` and why. A run that
    goes on keeps when it began and adds up its seconds.

    Args:
        folder: of the run.
        overrides: what was chosen on the command line.
    """
    started = time.monotonic()
    path = folder / run_files.STATE
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    told: dict[str, Any] = {
        "state": "running",
        "why": None,
        "command": " ".join(["python train.py", *overrides]),
        "overrides": list(overrides),
        "versions": list_versions(),
        "started": before.get("started", now),
        "resumed": [*before.get("resumed", []), now] if before else [],
        "seconds": before.get("seconds"),
    }
    run_files.write_json(path, told)
    try:
        yield
    except BaseException as error:  # told and raised again: also when it was interrupted
        why = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
        told |= {"state": ENDS.get(type(error), "failed"), "why": why}
        raise
    else:
        told["state"] = "finished"
    finally:
        told["seconds"] = round((before.get("seconds") or 0) + time.monotonic() - started, 1)
        with suppress(OSError):  # a full disk: what is wrong was said, and is not to be covered by this
            run_files.write_json(path, told)


def tell_stopped(folder: Path, why: str) -> None:
    """Says of a run that cannot say it itself any more, since its process is ended, that it was stopped."""
    path = folder / run_files.STATE
    with suppress(OSError, ValueError):
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["state"] == "running":
            run_files.write_json(path, told | {"state": ENDS[Stopped], "why": why})


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a folder for this process; the system lets go of it when the process dies, however it does.

    Raises:
        ProblemError: another process holds it.
    """
    handle = lock(folder)
    if handle is None:
        mend = "wait for it, stop it, or take another hydra.run.dir"
        raise ProblemError("a run is working in this folder", where=str(folder), mend=mend)
    _held.append(handle)
    try:
        yield
    finally:
        _held.remove(handle)
        os.close(handle)


def lock(folder: Path) -> int | None:
    """A handle with the lock of a folder on it, None where another process has that.

    NFS and Windows lock no folder, but a file in it; where there are no locks at all, nothing is held, which is said.
    """
    hold, on_folders = find_lock()
    places = ((folder, os.O_RDONLY), (folder / run_files.LOCK, os.O_RDWR | os.O_CREAT))
    for path, flags in places if on_folders else places[1:]:
        handle = os.open(path, flags)
        try:
            hold(handle)
            return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            last, reason = handle, error.strerror
    print(f"note: {folder} cannot be locked ({reason}): start no second run in it", file=sys.stderr)
    return last


def find_lock() -> tuple[Callable[[int], object], bool]:
    """What locks an open file, or raises BlockingIOError where another process has it; and whether it locks folders."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _lock_first_byte, False
    return lambda handle: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB), True


def _lock_first_byte(handle: int) -> None:
    try:
        import msvcrt
    except ImportError as error:
        raise OSError(errno.ENOTSUP, "this system has no locks") from error
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except PermissionError as error:
        raise BlockingIOError from error


_held: list[int] = []
"""What a forked process, such as a loader's, must not hold on to when this one is gone."""


def _let_go() -> None:
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_let_go)


def is_running(folder: Path) -> bool:
    """Whether a run works in this folder."""
    try:
        with alone(folder):
            return False
    except ProblemError:
        return True


def wait_for(folder: Path, seconds: float = 2) -> None:
    """Returns once no process works in this folder: the jobs of a sweep go on where the sweep itself was killed."""
    if is_running(folder):
        print(f"waiting for the job that still runs in {folder}", flush=True)
    while is_running(folder):
        time.sleep(seconds)
