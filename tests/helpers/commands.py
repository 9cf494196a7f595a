"""The project's commands in processes of their own, forked from one that has imported the libraries.

An interpreter that imports torch and Lightning anew takes seconds. The fork runs the script itself, with its own
streams, folder and environment.
"""

import atexit
import multiprocessing
import os
import runpy
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest import mock

PROJECT = Path(__file__).parents[2]
Within = Callable[[], AbstractContextManager[Any]]


def start_command(
    script: str,
    *arguments: object,
    streams: tuple[str, str],
    cwd: Path = PROJECT,
    environment: Mapping[str, str] = {},
    within: Within = nullcontext,
) -> Any:
    """Start a script of the project.

    Args:
        script: its path.
        arguments: of its command line.
        streams: files for its standard output and standard error.
        cwd: the folder that it works in.
        environment: variables that replace those of this process.
        within: makes the context that it runs in, such as one that replaces a part of the program.
    """
    context = multiprocessing.get_context("forkserver")
    with mock.patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join(sys.path)}):  # by which it finds what to import
        context.set_forkserver_preload(["helpers.preloaded"])
        forkserver.ensure_running()
    words = [str(PROJECT / script), *map(str, arguments)]
    whole = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    process = context.Process(target=_run, args=(words, str(cwd), whole, streams, within))
    process.start()
    return process


def run_command(
    script: str,
    *arguments: object,
    cwd: Path = PROJECT,
    environment: Mapping[str, str] = {},
    within: Within = nullcontext,
) -> CompletedProcess:
    """Run a script of the project, and return its exit code, standard output and standard error."""
    with tempfile.TemporaryDirectory() as folder:
        streams = (f"{folder}/out", f"{folder}/error")
        process = start_command(script, *arguments, streams=streams, cwd=cwd, environment=environment, within=within)
        process.join()
        out, err = (Path(stream).read_text(encoding="utf-8", errors="surrogateescape") for stream in streams)
    return CompletedProcess([script, *map(str, arguments)], process.exitcode, out, err)


@dataclass
class Running:
    """A process with the files of its standard output and standard error."""

    process: Any
    out: Path
    err: Path

    def wait_for_lines(self, count: int, seconds: float = 60) -> None:
        """Wait until so many lines were printed."""
        until = time.monotonic() + seconds
        while not self.out.exists() or self.out.read_text().count("\n") < count:
            assert time.monotonic() < until, self.err.read_text()
            time.sleep(0.02)

    def stop(self, signum: int, seconds: float = 30) -> int:
        """Send a signal, and return the exit code."""
        os.kill(self.process.pid, signum)
        self.process.join(seconds)
        assert self.process.exitcode is not None
        return self.process.exitcode


@contextmanager
def running_code(code: str, *arguments: object, environment: Mapping[str, str] = {}) -> Iterator[Running]:
    """Run code as a script with these arguments; it is killed at the end, if it still runs."""
    with tempfile.TemporaryDirectory() as name:
        script, out, err = (Path(name) / file for file in ("code.py", "out", "err"))
        script.write_text(code)
        process = start_command(str(script), *arguments, streams=(str(out), str(err)), environment=environment)
        try:
            yield Running(process, out, err)
        finally:
            process.kill()
            process.join()


def _run(words: list[str], cwd: str, environment: Mapping[str, str], streams: tuple[str, str], within: Within) -> None:
    """Run a script as an interpreter does that was started with it."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # which may be chosen by the environment
    for path, descriptor in zip(streams, (1, 2), strict=True):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, descriptor)
        os.close(handle)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = words
    sys.path[0] = str(Path(words[0]).parent)
    try:
        with within():
            runpy.run_path(words[0], run_name="__main__")
    finally:
        sys.stdout.flush()
        threading._shutdown()  # as an interpreter ends: a forked process of multiprocessing runs neither
        atexit._run_exitfuncs()
