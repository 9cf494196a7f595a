"""Signals end a run in order: at once, or in training after the step that is under way and its checkpoint."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

REQUEUE: Any = getattr(signal, "SIGUSR1", None)
"""What ``sbatch --signal=USR1@300`` sends that long before the time is over; None on Windows, where no SLURM is."""


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
        patient: a second signal is noted only, too: one of several processes gets each from the terminal and from the
            process that started it.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.patient = patient
        self.requested: signal.Signals | None = None
        """The signal that came while it was noted only."""
        self.deferring = False
        """Whether a signal is noted only; a second one stops at once all the same."""

    def handle(self, signum: int, frame: FrameType | None = None) -> None:
        """As a signal handler."""
        if self.deferring and (self.patient or self.requested is None):
            self.requested = signal.Signals(signum)
            return
        raise Stopped(signum)


@contextmanager
def heeding_signals(*, patient: bool = False) -> Iterator[Stopper]:
    """Lets SIGTERM, SIGINT and under SLURM the requeue signal stop the work within; handlers return as they were."""
    stopper = Stopper(patient=patient)
    if threading.current_thread() is not threading.main_thread():  # Python hands signals to no other
        yield stopper
        return
    heeded = [signal.SIGTERM, signal.SIGINT] + [REQUEUE] * under_slurm()
    before = {signum: signal.signal(signum, stopper.handle) for signum in heeded}
    try:
        yield stopper
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def under_slurm() -> bool:
    """Whether this is a job of SLURM."""
    return REQUEUE is not None and "SLURM_JOB_ID" in os.environ


def requeue() -> None:
    """Puts this SLURM job back in the queue, under its own number: ``resume=auto`` then goes on with the run."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    try:
        subprocess.run(["scontrol", "requeue", job], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"warning: job {job} could not be requeued: {error}", file=sys.stderr)
