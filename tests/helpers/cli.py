"""Commands in this process: starting an interpreter and importing torch takes seconds."""

import io
import sys
from subprocess import CompletedProcess
from unittest import mock

from chexpert.cli.main import main


def run_cli(*arguments: object) -> CompletedProcess:
    """Run ``chexpert`` with these arguments; return its exit code, standard output and standard error."""
    command = ["chexpert", *map(str, arguments)]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with mock.patch.multiple(sys, argv=command, stdout=streams[0], stderr=streams[1]):
        code = _run()
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return CompletedProcess(command, code, out, err)


def _run() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0
