"""What a terminal, a file or a pipe is given: text that it can take, and no codes from names or messages."""

import errno
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO, TypeVar

Result = TypeVar("Result")
Update = Callable[[int], object]  # called with how many items are done

NOTE = 25
"""The level of what a user should know, between information and a warning."""
PREFIXES = {NOTE: "note: ", logging.WARNING: "warning: "}

log = logging.getLogger("chexpert")
"""Progress (INFO), notes and warnings of all commands; results are printed on standard output."""

LINE_EVERY = 30.0  # seconds between lines where there is no terminal

CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""Colors and movements of the cursor, as torch writes them into a message."""
CONTROLS = re.compile("[^\t\n\r -~\xa0-\u2029\u202f-\u2065\u206a-\U0010ffff]|[\ud800-\udfff]")
"""What shows nothing and may do something: control characters, turns of the direction of writing, broken bytes."""


def show(text: str) -> str:
    r"""A text without a terminal's codes; other control characters are spelled out.

    >>> print(show("\x1b[1mbold\x1b[0m, \x07 and \x1b]0;title"))
    bold, \x07 and \x1b]0;title
    """
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), CODES.sub("", text))


class Shown:
    """A stream that shows texts by :func:`show`, and drops what is left once its reader has gone, as ``head`` does.

    Args:
        stream: writes; what it cannot encode it spells out.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # to which rich writes, with codes where that is a terminal

    def __getattr__(self, name: str) -> object:
        return getattr(self.rich_proxied_file, name)

    def write(self, text: str) -> int:
        """As of any stream."""
        try:
            self.rich_proxied_file.write(show(text))
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """As of any stream."""
        try:
            self.rich_proxied_file.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # the latter is Windows' word for it
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.rich_proxied_file.fileno())
        os.close(nowhere)


class PlainLines(logging.Handler):
    """Prints each message as one line on what is standard error at that moment: tests and notebooks replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a note or warning with its word before it."""
        try:
            print(PREFIXES.get(record.levelno, "") + record.getMessage(), file=sys.stderr, flush=True)
        except Exception:  # as of any handler: a message that cannot be written ends no run
            self.handleError(record)


if not log.handlers:
    logging.addLevelName(NOTE, "NOTE")
    log.addHandler(PlainLines())
    log.setLevel(logging.INFO)
    log.propagate = False  # Hydra has a handler of its own above


class FirstLines:
    """Prints the first lines of a kind: thousands of them would hide all else that a run prints.

    Args:
        rest: where all of them are listed.
        most: lines that are printed.
    """

    def __init__(self, rest: str, most: int = 10) -> None:
        self.rest, self.most, self.count = rest, most, 0

    @property
    def more(self) -> bool:
        """Whether there were more than were printed."""
        return self.count > self.most

    def print(self, line: str) -> None:
        """Print a line, or count it."""
        self.count += 1
        if not self.more:
            log.info(line)
        elif self.count == self.most + 1:
            log.info(f"... and more, not printed; {self.rest}")


def show_progress(
    results: Iterable[Result], title: str, total: int | None = None, *, each: int = 1
) -> Iterator[Result]:
    """Iterate over results and show on stderr how many are there: a bar on a terminal, else a line now and then.

    Args:
        results: of any kind.
        title: of the bar or line.
        total: items in all; by default the number of results.
        each: items in a result; the last one may have fewer.
    """
    total = len(results) if total is None else total  # type: ignore[arg-type]
    with (_show_bar if sys.stderr.isatty() else _print_lines)(title, total) as update:
        for number, result in enumerate(results, start=1):
            yield result
            update(min(number * each, total))


@contextmanager
def _show_bar(title: str, total: int) -> Iterator[Update]:
    from rich.console import Console  # takes longer than a command's --help
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

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
        if now - printed >= LINE_EVERY or (done == total and printed != started):
            printed = now
            left = (now - started) / done * (total - done)
            log.info(f"{title}: {done:,} of {total:,}, about {left / 60:.0f} min left")

    return nullcontext(update)


def open_streams() -> None:
    """Lets stdout and stderr take any text; to be called first where a command starts, or a process of one.

    A command with an argument that is no text ends here: TensorBoard, YAML and HTML could not take it.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Shown):
            stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, Shown(stream))
    if broken := [argument for argument in sys.argv if any("\ud800" <= letter <= "\udfff" for letter in argument)]:
        message = f"error: not readable in this system's encoding, {sys.getfilesystemencoding()}: {broken[0]}"
        print(f"{message}\n  hint:  set PYTHONUTF8=1, or rename it", file=sys.stderr)
        sys.exit(2)
