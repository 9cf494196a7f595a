"""Work on many items in several processes, with its progress and an estimate on stderr."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from chexpert.data.workers import outlive_no_parent, raising_lack
from chexpert.errors import UserError
from chexpert.signals import end_children

Item = TypeVar("Item")
Result = TypeVar("Result")
Update = Callable[[int], object]  # called with how many items are done

CHUNK = 32  # files that a process takes at a time
LINE_EVERY = 30.0  # seconds between lines where there is no terminal


def map_files(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    title: str,
    workers: int | None = None,
    *,
    chunk: int = CHUNK,
) -> list[Result]:
    """`function` of every item, in the order of `items`.

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
        return list(watch(map(function, items), title, len(items)))
    # Forking is fast and asks nothing of the caller's main module; only Linux does it safely.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    others = multiprocessing.active_children()
    with raising_lack(title), ProcessPoolExecutor(workers, context, initializer=outlive_no_parent) as pool:
        try:
            return list(watch(pool.map(function, items, chunksize=chunk), title, len(items)))
        except BrokenProcessPool as error:
            hint = "ask for fewer workers, or free some memory"
            raise UserError("a process was ended from outside", where=title, hint=hint) from error
        except BaseException:  # the pool would wait for what they have begun: on a slow disk for ever
            end_children(others)
            raise


def count_processors() -> int:
    """Processors that this process may use; a container may grant fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def watch(results: Iterable[Result], title: str, total: int, *, each: int = 1) -> Iterator[Result]:
    """Passes the results on and shows how far they are: a bar on a terminal, else a line now and then.

    Args:
        total: items in all.
        each: items in a result; the last one may have fewer.
    """
    with (_show_bar if sys.stderr.isatty() else _print_lines)(title, total) as update:
        for number, result in enumerate(results, start=1):
            yield result
            update(min(number * each, total))


@contextmanager
def _show_bar(title: str, total: int) -> Iterator[Update]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


def _print_lines(title: str, total: int) -> AbstractContextManager[Update]:
    started = printed = time.monotonic()

    def update(done: int) -> None:
        nonlocal printed
        now = time.monotonic()
        if now - printed >= LINE_EVERY:
            printed = now
            left = (now - started) / done * (total - done)
            print(f"{title}: {done:,} of {total:,}, about {left / 60:.0f} min left", file=sys.stderr, flush=True)

    return nullcontext(update)
