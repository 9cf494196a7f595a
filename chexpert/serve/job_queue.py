"""One thread for the model, and a bounded number of requests that wait for it."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

from chexpert.errors import UserError
from chexpert.models import Model

Result = TypeVar("Result")

MOST_JOBS = 16
"""Requests that run or wait, each with its image in memory; further ones are refused."""
NEARLY = 0.99
"""Progress of a job that has taken all the passes that were expected of it."""


class QueueFullError(Exception):
    """As many requests wait as may wait."""


class JobCancelledError(Exception):
    """Nobody waits for this result any more."""


class JobFailedError(Exception):
    """The program failed at a job, by the error that is its cause."""


class Job:
    """A request's work, as the server and the model's thread both see it.

    Attributes:
        progress: share of the work that is done, in [0, 1].
        started: whether the model's thread has begun with it.
    """

    def __init__(self) -> None:
        self.progress, self.started = 0.0, False
        self._cancelled = Event()

    def cancel(self) -> None:
        """Let the work end at its next pass through the model."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise an error if the job was cancelled.

        Raises:
            JobCancelledError: it was.
        """
        if self._cancelled.is_set():
            raise JobCancelledError

    @contextmanager
    def counting_passes(self, model: Model, expected: int) -> Iterator[None]:
        """Count the images that pass the model as progress, and end at the next one once the job is cancelled.

        Args:
            model: whose passes are counted; of a combined model those of its first member.
            expected: number of images that will pass.

        Raises:
            JobCancelledError: the job was cancelled.
        """
        passed = 0

        def count(module: object, inputs: tuple) -> None:
            nonlocal passed
            self.check()
            passed += len(inputs[0]) if inputs else 0
            self.progress = min(passed / max(expected, 1), NEARLY)

        first = next(iter(model.members.values()))
        hook = first.register_forward_pre_hook(count)
        try:
            yield
        finally:
            hook.remove()


class JobQueue:
    """Runs jobs one after another in a thread of its own, in the order in which they come.

    Args:
        most: jobs that may run or wait at once.
    """

    def __init__(self, most: int = MOST_JOBS) -> None:
        self.most = most
        self._worker = ThreadPoolExecutor(1, "model")
        self._jobs: set[Job] = set()

    @contextmanager
    def reserve(self) -> Iterator[Job]:
        """Keep a place for a job, to be taken before its image is read; a job left early is cancelled.

        Raises:
            QueueFullError: there is no place.
        """
        if len(self._jobs) >= self.most:
            raise QueueFullError
        job = Job()
        self._jobs.add(job)
        try:
            yield job
        finally:
            job.cancel()
            self._jobs.discard(job)

    async def run(self, job: Job, call: Callable[[Job], Result]) -> Result:
        """Return what a function of the job returns, called in the model's thread.

        Raises:
            UserError: as the function does.
            JobCancelledError: the job was cancelled.
            JobFailedError: the function raised anything else.
        """
        waiting = [call]

        def begin() -> Result:
            job.check()
            job.started = True
            try:
                return waiting[0](job)
            except (UserError, JobCancelledError):
                raise
            except Exception as error:
                raise JobFailedError from error

        try:
            work = self._worker.submit(begin)
        except RuntimeError as error:  # the queue is closed
            raise JobCancelledError from error
        try:
            return await asyncio.wrap_future(work)
        finally:
            waiting.clear()  # the thread's list holds a cancelled job until its turn, but not the image in its call

    def close(self) -> None:
        """Cancel all jobs, and wait until the thread has ended."""
        for job in tuple(self._jobs):  # the server's thread may still change it
            job.cancel()
        self._worker.shutdown(wait=True, cancel_futures=True)
