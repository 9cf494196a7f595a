"""How far a prediction is: a bar on a terminal, else a line from time to time, as a log file is read."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import track

from chexpert.data.loader import ViewLoader

SECONDS = 10.0
"""Between two lines."""


def show_progress(batches: ViewLoader) -> Iterable[Any]:
    """Iterate over the batches, and show the progress on the error stream."""
    console = Console(stderr=True)
    return track(batches, "images", console=console) if console.is_terminal else print_progress(batches)


def print_progress(batches: ViewLoader, seconds: float = SECONDS) -> Iterator[Any]:
    """Likewise by lines, at least ``seconds`` apart, the last one always."""
    started = printed = time.monotonic()
    for number, batch in enumerate(batches, start=1):
        yield batch
        if (now := time.monotonic()) - printed >= seconds or number == len(batches):
            printed = now
            print(f"{number} of {len(batches)} batches, {now - started:.0f} s", file=sys.stderr, flush=True)
