"""Show a trained model in a browser: a local viewer for single images.

Drop a PNG, JPEG or DICOM: see its probabilities with thresholds and prediction sets, what the gate flags, attribution
maps, and the nearest training images.
The server listens on 127.0.0.1 alone, by a random token in its address, and asks nothing of any network. Images stay
in memory: none is stored, and no file of the run changes.
It runs until Ctrl-C (exit code 130). Exit code 2: the port is in use, the run has no weights, or the command is wrong.
Not a medical device.
"""

from argparse import ArgumentError, ArgumentParser, Namespace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from chexpert.errors import UserError, advise_extra
from chexpert.inference.choices import GATES
from chexpert.observations import HIGHEST_ERROR_RATE

PORT = 8765
LIBRARIES = ("starlette", "uvicorn")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, a checkpoint, or hf:OWNER/NAME@COMMIT")
    add("--port", type=int, default=PORT, metavar="N", help=f"of 127.0.0.1; 0: any that is free ({PORT})")
    add("--gate", choices=GATES, default="flag", help="images that the run's gate flags: show why, or no probabilities")
    add("--sets", dest="error_rate", type=float, default=0.1, metavar="RATE", help="error rate of the sets (0.1)")
    add("--open", dest="opened", action="store_true", help="open the page in the browser")


def run(given: Namespace) -> None:
    """Serve the viewer until Ctrl-C."""
    if not 0 <= given.port <= 65535:
        raise ArgumentError(None, "--port is between 0 and 65535")
    if not 0 < given.error_rate < HIGHEST_ERROR_RATE:
        raise ArgumentError(None, f"--sets is between 0 and {HIGHEST_ERROR_RATE}, both excluded")
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        message = f"the viewer needs {' and '.join(missing)}"
        raise UserError(message, code="not-installed", where="chexpert serve", hint=advise_extra("serve"))

    from chexpert.serve.server import serve_run

    options = {"gate": given.gate, "error_rate": given.error_rate, "opened": given.opened}
    serve_run(given.run, given.port, show=partial(print, flush=True), **options)
