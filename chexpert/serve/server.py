"""Serve the viewer on this machine alone, until Ctrl-C."""

import asyncio
import errno
import os
import secrets
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from chexpert.console import log
from chexpert.errors import UserError
from chexpert.serve.app import make_app
from chexpert.serve.connections import LimitedProtocol
from chexpert.serve.job_queue import JobQueue
from chexpert.serve.security import HOST
from chexpert.serve.served_model import ServedModel

TOKEN_BYTES = 32
MOST_HEADER_BYTES = 2**14
"""Of a request; a browser sends about 1,000."""
KEEP_ALIVE_SECONDS = 5
"""Until a connection without a further request is closed."""


def serve_run(
    run: Path, port: int, *, gate: str = "flag", error_rate: float = 0.1, opened: bool = False,
    show: Callable[[str], object] = print,
) -> None:  # fmt: skip
    """Load a run, print the address of its viewer, and answer requests until Ctrl-C.

    Args:
        run: run folder, file of a checkpoint, or ``hf:OWNER/NAME@REVISION`` of the Hugging Face Hub.
        port: of 127.0.0.1; 0 for any that is free.
        gate: ``flag``, ``refuse`` or ``off``.
        error_rate: of the prediction sets, between 0 and .5.
        opened: whether to open the page in the browser.
        show: is given the address.

    Raises:
        UserError: the port is in use, or the run has no weights.
        KeyboardInterrupt: Ctrl-C has ended it.
    """
    with bind(port) as listening:
        log.info(f"loading {run}")
        model = ServedModel(run, gate, error_rate)
        log.info("trying the explainers on this model")
        model.describe()
        token, queue = secrets.token_urlsafe(TOKEN_BYTES), JobQueue()
        port = listening.getsockname()[1]
        address = f"http://{HOST}:{port}/{token}/"
        config = uvicorn.Config(
            make_app(model, queue, token, port), http=LimitedProtocol, ws="none", lifespan="off", loop="asyncio",
            h11_max_incomplete_event_size=MOST_HEADER_BYTES, timeout_keep_alive=KEEP_ALIVE_SECONDS,
            log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = _Server(config, queue, lambda: _show(address, show, opened=opened))
        server.run([listening])


class _Server(uvicorn.Server):
    """Calls ``on_start`` once it answers, and ends the work of the queue when it stops."""

    def __init__(self, config: uvicorn.Config, queue: JobQueue, on_start: Callable[[], object]) -> None:
        super().__init__(config)
        self.queue, self.on_start = queue, on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self.queue.close)
        await super().shutdown(sockets)


def bind(port: int) -> socket.socket:
    """Return a socket that listens at a port of this machine alone.

    Raises:
        UserError: the port is in use, or may not be taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # a port that was in use a moment ago; on Windows it would be shared with its user
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()  # two sockets may be bound to one port until one of them listens
    except OSError as error:
        listening.close()
        message = f"port {port} is in use" if error.errno == errno.EADDRINUSE else f"port {port}: {error.strerror}"
        raise UserError(message, code="port", where="--port", hint="--port 0 takes any that is free") from error
    return listening


def _show(address: str, show: Callable[[str], object], *, opened: bool) -> None:
    show(f"viewer: {address}\nOnly this machine reaches it, and only by this address. Ctrl-C ends it.")
    if opened:
        webbrowser.open(address)
