"""The image in a request: read into memory, within limits of size and time."""

import asyncio
import io
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 64 * 2**20
"""Of an uploaded image: a DICOM file of 4,000 x 4,000 pixels of 16 bits has half of that."""
MOST_SECONDS = 60.0
"""Until an upload must be there: a place in the queue waits for it."""
SLOW = 408
"""Status of an upload that takes longer."""
MOST_DISCARDED = 8 * MOST_BYTES
"""Bytes of a refused request that are still read."""


class RequestError(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        message: one sentence.
        code: short word for programs.
    """

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


async def read_upload(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        RequestError: it is empty, larger than ``MOST_BYTES``, or takes longer than ``MOST_SECONDS``.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MOST_BYTES:  # refused before any of it is read
        raise _too_large()
    content, size = io.BytesIO(), 0
    try:
        async with asyncio.timeout(MOST_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_BYTES:
                    raise _too_large()
                content.write(chunk)
    except TimeoutError as error:
        raise RequestError(SLOW, "the upload took too long", "timeout") from error
    if not size:
        raise RequestError(400, "this file is empty", "empty")
    return content.getvalue()


async def discard_upload(request: Request) -> None:
    """Read what is left of the body of a refused request, and keep none of it: otherwise its sender gets no answer."""
    size = 0
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: nothing is left
        async with asyncio.timeout(MOST_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_DISCARDED:
                    return


def _too_large() -> RequestError:
    return RequestError(413, f"this file is larger than {MOST_BYTES // 2**20} MB", "too-large")
