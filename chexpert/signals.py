"""End a run on a signal: at once, or in training after the current step and its checkpoint."""

import _thread
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

REQUEUE: signal.Signals | None = getattr(signal, "SIGUSR1", None)
"""``sbatch --signal=USR1@300`` sends it 300 seconds before the time limit; None on Windows, which has no SLURM."""


PATIENCE = 3.0
"""Seconds that a wait for another process, or for a disk, may last after a signal."""

IDLE = 6
"""Seconds without work after which a signal ends a process that waits within a library."""

BEFORE_EXIT = 20.0
"""Seconds that ``before_exit`` may last: a disk or SLURM may not answer either."""

BUSY = 0.1
"""Seconds of a processor in one second: with fewer a process does nothing, even where many share the machine."""


class Stopped(SystemExit):
    """A signal ended the run; the process exits with 128 and the signal's number, as a shell counts it."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signal = signal.Signals(signum)

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return Stopped, (int(self.signal),)  # a job of a sweep may be another process, which sends what it raised

    def __str__(self) -> str:
        return f"stopped by {self.signal.name}"


class PrunedError(Exception):
    """A search stopped this job, since others do better at its epoch: no failure, and no result."""


class Stopper:
    """Raises :class:`Stopped` on a signal, or notes it while the work cannot stop just anywhere.

    Args:
        deferred: note a second signal only, too: one of several processes gets each signal from the terminal and from
            the process that started it.
        before_exit: called in another thread, before a signal ends this process while it waits within a library:
            nothing is raised there.
    """

    def __init__(self, *, deferred: bool = False, before_exit: Callable[[Stopped], object] | None = None) -> None:
        self.deferred, self.before_exit = deferred, before_exit
        self.requested: signal.Signals | None = None
        """The signal that came while it was noted only."""
        self.deferring = False
        """Whether a signal is noted only; a second one stops at once all the same."""
        self.bell: socket.socket | None = None
        """Where the system leaves the numbers of signals that Python has not handled yet."""
        self._wait: object | None = None
        self._overdue = False

    def handle(self, signum: int, frame: FrameType | None = None) -> None:
        """As a signal handler."""
        self.listen(taking=True)
        overdue, self._overdue = self._overdue and self._wait is not None, False
        if self.deferring and not overdue and (self.deferred or self.requested is None):
            self.requested = signal.Signals(signum)
            self._limit()
            return
        end_children()
        raise Stopped(signum)

    def listen(self, *, taking: bool = False) -> bytes:
        """Signals that were not handled; ``taking``: they are now."""
        try:
            return self.bell.recv(65536, 0 if taking else socket.MSG_PEEK) if self.bell else b""
        except BlockingIOError:
            return b""

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within, another process or a disk is waited for: a noted signal stops this process all the same, later."""
        self._wait = object()
        self._limit()
        try:
            yield
        finally:
            self._wait = None

    def _limit(self) -> None:
        if self._wait is not None and self.requested is not None:
            timer = threading.Timer(PATIENCE, self._expire, [self._wait])
            timer.daemon = True
            timer.start()

    def _expire(self, wait: object) -> None:
        """In another thread: lets the main one handle the signal anew, if it still waits for the same."""
        if self._wait is wait and self.requested is not None:
            self._overdue = True
            # Sent to the thread itself: one sent to the process may leave it waiting. Windows wakes it by itself.
            send = getattr(signal, "pthread_kill", lambda _, signum: _thread.interrupt_main(signum))
            send(threading.main_thread().ident, self.requested)


_current: list[Stopper] = []
"""Of the work under way, the innermost last."""


def list_handled_signals() -> list[signal.Signals]:
    """The signals that end a run; under SLURM the requeue signal too."""
    return [signal.SIGTERM, signal.SIGINT] + ([REQUEUE] if REQUEUE is not None and under_slurm() else [])


@contextmanager
def handling_signals(
    *, deferred: bool = False, before_exit: Callable[[Stopped], object] | None = None
) -> Iterator[Stopper]:
    """Stop the work within on SIGTERM, SIGINT and, under SLURM, the requeue signal; restore the handlers at the end.

    See :class:`Stopper` for the arguments.
    """
    stopper = Stopper(deferred=deferred, before_exit=before_exit)
    if threading.current_thread() is not threading.main_thread():  # Python hands signals to no other
        yield stopper
        return
    handled = list_handled_signals()
    before = {signum: signal.signal(signum, stopper.handle) for signum in handled}
    _current.append(stopper)
    try:
        with watching(stopper, handled):
            yield stopper
    finally:
        _current.remove(stopper)
        for signum, handler in before.items():
            signal.signal(signum, handler)


def waiting() -> AbstractContextManager[None]:
    """As :meth:`Stopper.waiting`, of the innermost stopper that handles signals now."""
    return _current[-1].waiting() if _current else nullcontext()


@contextmanager
def watching(stopper: Stopper, handled: Sequence[int]) -> Iterator[None]:
    """Ends this process where a signal finds it waiting within a library, which keeps signals from Python.

    Such are a look-up of a name, a download and the meeting of processes that train together.
    """
    stopper.bell, ringing = socket.socketpair()
    stopper.bell.setblocking(False)
    ringing.setblocking(False)
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(stopper, handled, over), daemon=True)
    with stopper.bell, ringing:
        before = signal.set_wakeup_fd(ringing.fileno(), warn_on_full_buffer=False)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            over.set()
            thread.join()


def _watch(stopper: Stopper, handled: Sequence[int], over: threading.Event) -> None:
    """Ends this process once it has done nothing for some seconds after a signal. One that computes is let do so.

    One of several may have noted the signal, and then wait for another that has ended or hangs.
    """
    idle, used = 0, measure_work()
    while not over.wait(1):
        came = next((signum for signum in stopper.listen() if signum in handled), None)
        if stopper.deferred:
            came = came or stopper.requested
        now = measure_work()
        idle, used = idle + 1 if came and now - used < BUSY else 0, now
        if came and idle >= IDLE and end_children():
            idle = IDLE - 2  # the work that waited for them continues
        elif came and idle >= IDLE:
            stopped = Stopped(came)
            # No logger: the main thread may wait while it holds the logger's lock.
            print(f"{stopped} while it waited", file=sys.stderr, flush=True)
            end_children()
            if stopper.before_exit:
                thread = threading.Thread(target=stopper.before_exit, args=(stopped,), daemon=True)
                thread.start()
                thread.join(BEFORE_EXIT)
            sys.stderr.flush()
            os._exit(128 + came)


def measure_work() -> float:
    """Seconds of processors that this process and those it has started have used; on Linux, else its own alone."""
    used = time.process_time()
    for child in multiprocessing.active_children():
        with suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
            used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def end_children(spared: Sequence[BaseProcess] = ()) -> bool:
    """Ends the processes that were started to help this one, but for some; one that hangs would be waited for.

    Returns:
        Whether there were any.
    """
    children = [child for child in multiprocessing.active_children() if child not in spared]
    for child in children:
        child.terminate()
    until = time.monotonic() + 1
    for child in children:
        child.join(max(0.0, until - time.monotonic()))
    if left := [child for child in children if child.is_alive()]:
        if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would raise that they were killed
        for child in left:
            child.kill()
    return bool(children)


def under_slurm() -> bool:
    """Whether this is a job of SLURM."""
    return REQUEUE is not None and "SLURM_JOB_ID" in os.environ


def requeue() -> None:
    """Put this SLURM job back in the queue, under its own number: ``resume=auto`` then resumes the run."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    try:
        subprocess.run(["scontrol", "requeue", job], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        logging.getLogger(__name__).warning(f"job {job} could not be requeued: {error}")
