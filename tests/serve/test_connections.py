"""Connections without a request end; there are no more of them than the limit; headers are short."""

import asyncio
import contextlib
import socket
import threading
import time
from unittest import mock

import pytest
import uvicorn

from chexpert.serve import connections
from chexpert.serve.server import bind


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port():
    with bind(0) as listening, mock.patch.object(connections, "HEADER_SECONDS", 0.5):
        config = uvicorn.Config(
            answer, http=connections.LimitedProtocol, ws="none", lifespan="off", log_config=None,
            h11_max_incomplete_event_size=2**14, timeout_keep_alive=30,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server._serve([listening])), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(30)


def open_connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


PART = b"GET / HTTP/1.1\r\nHost: "


@pytest.mark.parametrize(("before", "part"), [(b"", b""), (b"", PART), (WHOLE, PART)])
def test_connection_without_a_whole_request_is_closed(port, before, part):
    with open_connection(port) as own:
        if before:
            own.sendall(before)
            assert b"200 OK" in own.recv(4096)
        own.sendall(part)
        started = time.monotonic()
        while own.recv(4096):
            pass
        assert time.monotonic() - started < 8


def test_requests_on_one_connection_are_answered(port):
    with open_connection(port) as own:
        for _ in range(4):
            own.sendall(WHOLE)
            found = b""
            while not found.endswith(b"ok"):
                found += own.recv(4096) or pytest.fail("the connection was closed")
            time.sleep(0.2)  # in all longer than the time for headers


def test_long_headers_are_refused(port):
    with open_connection(port) as own:
        own.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 40_000)
        assert own.recv(4096).startswith(b"HTTP/1.1 400")


def test_connections_beyond_the_limit_are_closed(port):
    with mock.patch.object(connections, "MOST_CONNECTIONS", 2), open_connection(port) as one, open_connection(port):
        with open_connection(port) as third, contextlib.suppress(ConnectionResetError):
            assert third.recv(10) == b""
        one.sendall(WHOLE)
        assert b"200 OK" in one.recv(4096)
