"""Work on many files in several processes, with its progress and an estimate on stderr."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from chexpert.problem import ProblemError

Result = TypeVar("Result")

CHUNK = 32  # files that a process takes at a time
LINE_EVERY = 30.0  # seconds between lines where there is no terminal


def map_files(
    function: Callable[[str], Result], files: Sequence[str], title: str, workers: int | None = None
) -> list[Result]:
    """`function` of every file, in the order of `files`.

    Args:
        function: of a module, so that a process can find it. What it raises ends the work.
        files: paths.
        title: of the progress bar.
        workers: processes; None for one for each processor that this one may use.

    Raises:
        ProblemError: a process was ended from outside, mostly for want of memory.
    """
    workers = min(workers or _count_processors(), -(-len(files) // CHUNK))
    if workers <= 1:
        return list(watch(map(function, files), title, len(files)))
    # Forking is fast and asks nothing of the caller's main module; only Linux does it safely.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, context) as pool:
        try:
            return list(watch(pool.map(function, files, chunksize=CHUNK), title, len(files)))
        except BrokenProcessPool as error:
            mend = "ask for fewer workers, or free some memory"
            raise ProblemError("a process was ended from outside", where=title, mend=mend) from error


def watch(results: Iterable[Result], title: str, total: int) -> Iterator[Result]:
    """Passes the results on and shows how far they are: a bar on a terminal, else a line now and then."""
    yield from (_show_bar if sys.stderr.isatty() else _print_lines)(results, title, total)


def _show_bar(results: Iterable[Result], title: str, total: int) -> Iterator[Result]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(results, total=total, description=title)


def _print_lines(results: Iterable[Result], title: str, total: int) -> Iterator[Result]:
    started = told = time.monotonic()
    for done, result in enumerate(results, start=1):
        yield result
        now = time.monotonic()
        if now - told >= LINE_EVERY:
            told = now
            left = (now - started) / done * (total - done)
            print(f"{title}: {done:,} of {total:,}, about {left / 60:.0f} min left", file=sys.stderr, flush=True)


def _count_processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux: a container may grant fewer than there are
    return len(affinity(0)) if affinity else os.cpu_count() or 1
