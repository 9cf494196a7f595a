"""Commands in this process: starting an interpreter and importing torch takes seconds."""

import io
import runpy
import sys
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run_script(name: str, *arguments: object) -> CompletedProcess:
    """Run scripts/NAME.py with these arguments; return its exit code, standard output and standard error."""
    command = [str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with mock.patch.multiple(sys, argv=command, stdout=streams[0], stderr=streams[1]):
        code = _run(command[0])
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return CompletedProcess(command, code, out, err)


def _run(path: str) -> int:
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):  # the interpreter prints it
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    return 0
