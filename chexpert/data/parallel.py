"""Work on many items in several processes, with its progress and an estimate on stderr."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from chexpert.console import show_progress
from chexpert.data.workers import outlive_no_parent, reporting_start_errors
from chexpert.errors import UserError
from chexpert.signals import end_children

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 32  # files that a process takes at a time


def map_files(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    title: str,
    workers: int | None = None,
    *,
    chunk: int = CHUNK,
) -> list[Result]:
    """Apply `function` to every item, and return the results in the order of `items`.

    Args:
        function: of a module, so that a process can find it. What it raises ends the work.
        items: paths, or what else says which file to read or write.
        title: of the progress bar.
        workers: processes; None for one for each processor that this one may use.
        chunk: items that a process takes at a time; fewer than two chunks are done in this process.

    Raises:
        UserError: a process was ended from outside, mostly for want of memory.
    """
    workers = min(workers or count_processors(), -(-len(items) // chunk))
    if workers <= 1:
        return list(show_progress(map(function, items), title, len(items)))
    # Forking is fast and asks nothing of the caller's main module; only Linux does it safely.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    others = multiprocessing.active_children()
    with reporting_start_errors(title), ProcessPoolExecutor(workers, context, initializer=outlive_no_parent) as pool:
        try:
            return list(show_progress(pool.map(function, items, chunksize=chunk), title, len(items)))
        except BrokenProcessPool as error:
            hint = "ask for fewer workers, or free some memory"
            raise UserError("a process was ended from outside", code="dead-process", where=title, hint=hint) from error
        except BaseException:  # the pool would wait for what they have begun: on a slow disk for ever
            end_children(others)
            raise


def count_processors() -> int:
    """Count the processors that this process may use; a container may grant fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
