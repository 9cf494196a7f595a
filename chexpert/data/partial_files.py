"""Files under construction: one process writes, others wait for it; what a killed one left is removed."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from chexpert.console import log
from chexpert.signals import waiting

IDLE = 600
"""Seconds after which a file that nothing was written to may be a leftover: containers share names and numbers."""


@contextmanager
def locked(path: Path, work: str) -> Iterator[None]:
    """Lock a file that is to be written; who finds it locked waits, and looks then whether it is there.

    Where there are no locks, several processes may write at once: each into a file of its own, and the last one stays.

    Args:
        path: of the file; its lock lies beside it while it is held.
        work: of the process that holds it, for the line that is printed while waiting.
    """
    lock = FileLock(path.with_suffix(".lock"), fallback_to_soft=False)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            log.info(f"waiting for the process that {work}: {path}")
            with waiting():
                lock.acquire()
    except (OSError, NotImplementedError):  # no locks there; a folder that cannot be written fails at the file itself
        pass
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):  # Windows removes no open file; elsewhere one who waits for it gets it all the same
                Path(lock.lock_file).unlink()
        lock.release()


def clear_leftovers(folder: Path) -> None:
    """Remove the files that killed processes of this machine left; one that works writes with every batch."""
    for partial in folder.glob(f"*.{platform.node()}.*.partial"):
        with suppress(OSError):  # just finished by its process, or in a folder that is only read here
            idle = time.time() - partial.stat().st_mtime
            if idle > IDLE and not is_alive(int(partial.suffixes[-2][1:])):
                partial.unlink()


def is_alive(process: int) -> bool:
    """Return whether a process of this number runs on this machine.

    On Windows nobody is asked: signal 0 is Ctrl-C there, and what a process has open is not removed anyway.
    """
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True
