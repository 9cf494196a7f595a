"""The processes that read images: their signals, their shared memory, and the messages about their end."""

import errno
import multiprocessing
import multiprocessing.connection
import multiprocessing.queues
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, get_worker_info

from chexpert.errors import UserError
from chexpert.signals import end_children, waiting

SHARED = Path("/dev/shm")
"""Where Linux keeps the memory that processes share; a container has 64 MiB of it unless it was started with more."""
PAGE = 4096
AHEAD = 2  # batches that each process reads ahead: torch's own number
STALL = 1800
"""Seconds without a batch after which a process counts as hanging: a network share may be away for minutes."""
FEW = {errno.ENOSPC, errno.ENOENT, errno.ENOSYS, errno.EACCES, errno.EROFS}
"""What the system says where semaphores, which lie in /dev/shm too, cannot be made."""


class WatchedLoader(DataLoader):
    """A loader that waits for no process in vain: what goes wrong in one comes out here as one message.

    A signal ends the wait for a batch, also where the run would continue to the end of its step.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        with reporting_dead_workers():
            batches = self._begin()
            while True:
                with waiting():
                    batch = next(batches, None)
                if batch is None:
                    return
                if isinstance(batch, UserError):
                    raise batch
                yield batch

    def _begin(self) -> Iterator[Any]:
        """Starts the processes."""
        with reporting_start_errors("data.num_workers"):
            return super().__iter__()


@contextmanager
def reporting_dead_workers() -> Iterator[None]:
    """Raise one UserError for the death of a loader process; it interrupts the main process wherever that is.

    Yields:
        None.

    Raises:
        UserError: a loader process died, or gave no batch for ``STALL`` seconds.
    """
    try:
        yield
    except KeyboardInterrupt:
        end_children()  # torch gives each that hangs five seconds
        raise
    except RuntimeError as error:
        if isinstance(error, UserError) or not str(error).startswith("DataLoader"):
            raise
        first = str(error).partition("\n")[0]
        if "timed out" in first:
            end_children()
            message, hint = (
                f"no batch came for {STALL // 60} minutes",
                "is the disk or the network share away? once it is back",
            )
            raise UserError(
                message, code="stalled", where="data.num_workers", hint=f"{hint}, continue with resume=RUN"
            ) from error
        # Others filled /dev/shm after it was checked.
        if "Bus error" in f"{error} {error.__cause__}" and sys.platform == "linux":
            raise too_small("data.num_workers") from error
        message = f"a loader process died: {first}"
        hint = "is memory short? data.num_workers=0, fewer of them or smaller batches; then continue with resume=RUN"
        raise UserError(message, code="dead-process", where="data.num_workers", hint=hint) from error


@contextmanager
def reporting_start_errors(where: str) -> Iterator[None]:
    """Raise a UserError that says why processes cannot be started."""
    try:
        yield
    except OSError as error:
        if error.errno in FEW and sys.platform == "linux":
            raise too_small(where) from error
        hint = "fewer of them (data.num_workers=0: none), or a higher limit on processes, open files or memory"
        raise UserError(
            f"no process can be started: {error.strerror}", code="no-process", where=where, hint=hint
        ) from error


def check_shared_memory(batch: int, workers: int, batches: int) -> None:
    """Check that shared memory has space for the batches read ahead: a run would end at its fullest otherwise.

    Args:
        batch: bytes of one.
        workers: processes.
        batches: of an epoch.

    Raises:
        UserError: it cannot.
    """
    if not workers or not (sys.platform == "linux" and SHARED.is_dir()):
        return
    needed = batch * min(workers * AHEAD + 1, batches)  # and one that is learned from
    free = _measure()[1]
    if needed > free:
        fitting = max(0, (free // batch - 1) // AHEAD)
        raise too_small("data.num_workers", needed, fitting)


def check_sockets(workers: int) -> None:
    """Check that loader processes can open a socket in the folder for temporary files: its path is bounded.

    Raises:
        UserError: that folder lies too deep.
    """
    if not workers or not hasattr(socket, "AF_UNIX"):
        return
    path = multiprocessing.connection.arbitrary_address("AF_UNIX")  # type: ignore[attr-defined]
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(path)
        except OSError as error:
            if error.errno is not None:  # the system refused; a path that is too long Python itself refuses
                raise
            message = f"loader processes cannot open a socket: its path would have {len(os.fsencode(path))} bytes"
            hint = f"set TMPDIR to a folder with a shorter path than {tempfile.gettempdir()}, or data.num_workers=0"
            raise UserError(message, code="socket-path", where="data.num_workers", hint=hint) from error
    Path(path).unlink()


def too_small(where: str, needed: int = 0, fitting: int = 0) -> UserError:
    """Return the error of a /dev/shm in which images, or the processes' semaphores, find no space."""
    size, free = _measure()
    space = f"{size / 2**20:.0f} MiB, of which {free / 2**20:.1f} are free"
    message = f"/dev/shm is too small for what processes hand over: it has {space}"
    message += f", and {needed / 2**20:.1f} are needed" * bool(needed)
    gib = -(-2 * needed // 2**30) or 1
    fewer = "--workers 1 (or data.num_workers=0)"
    if where == "data.num_workers":
        fewer = f"data.num_workers={fitting}, or smaller batches"
    hint = f"{fewer}; in a container give it more: docker run --shm-size={gib}g, or --ipc=host"
    return UserError(
        message, code="shared-memory", where=where, hint=f"{hint}; a run with a checkpoint continues with resume=RUN"
    )


def _measure() -> tuple[int, int]:
    """Bytes in all and free."""
    try:
        found = os.statvfs(SHARED)
    except OSError:  # there is none
        return 0, 0
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


def move_to_shared_memory(batch: Any) -> Any:
    """Move a batch's tensors to shared memory, in a loader process.

    The thread that feeds the queue would do it otherwise, and lose what goes wrong there: the run waited for ever.
    """
    if get_worker_info() is None or isinstance(batch, UserError):
        return batch
    try:
        for part in batch:
            if isinstance(part, torch.Tensor):
                part.share_memory_()
    except RuntimeError as error:
        if "No space left" in str(error):
            return too_small("data.num_workers")
        message = f"a loader process cannot hand over its batch: {str(error).partition(chr(10))[0]}"
        return UserError(
            message,
            code="dead-process",
            where="data.num_workers",
            hint="data.num_workers=0, and continue with resume=RUN",
        )
    return batch


def begin_worker(worker: int = 0) -> None:
    """Let a process follow its parent only, and end where it can hand nothing over: its end is seen."""
    ignore_job_signals()
    # Python's own hook for what fails in a queue's thread, which otherwise prints it and continues.
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_exit_with_message)  # type: ignore[attr-defined]


def _exit_with_message(error: Exception, item: object) -> None:
    print(f"a loader process cannot hand over: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(1)


def ignore_job_signals() -> None:
    """Ignore the signals that a terminal and a batch system send to every process of a job.

    Only the process that trains decides when loading ends.
    """
    signal.set_wakeup_fd(-1)  # a signal here is none of the parent's
    for name in ("SIGINT", "SIGUSR1"):
        if hasattr(signal, name):  # Windows has the first only
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process on a SIGTERM of its parent's; one of anybody else's is not for it."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def outlive_no_parent() -> None:
    """Let a process of a pool end when the one that started it is killed; it would wait for work for ever."""
    ignore_job_signals()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch_over() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch_over, daemon=True).start()
