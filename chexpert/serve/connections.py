"""Limits of single connections that uvicorn does not have: their number, and the time until a request is there."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 256
"""Open at once; further ones are closed. A browser opens up to 6."""
HEADER_SECONDS = 10.0
"""From the connection, or the first byte of a further request, to the end of its headers."""


class LimitedProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection on which no request comes, or one too many."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for headers."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, and wait for headers where they are not yet a whole request."""
        super().data_received(data)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._timer = self.loop.call_later(HEADER_SECONDS, self._close_if_same, self.cycle)

    def _close_if_same(self, last: Any) -> None:
        """Close the connection if no request has come since the last one, which may be none."""
        self._timer = None
        if self.cycle is last:
            self.transport.close()
        else:
            self._expect_headers()
