"""The image in a request: read into memory, within limits of size and time."""

import asyncio
import io

from starlette.requests import Request

MOST_BYTES = 64 * 2**20
"""Of an uploaded image: a DICOM file of 4,000 x 4,000 pixels of 16 bits has half of that."""
MOST_SECONDS = 60.0
"""Until an upload must be there: a place in the queue waits for it."""


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
    content = io.BytesIO()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            async for chunk in request.stream():
                if content.tell() + len(chunk) > MOST_BYTES:
                    raise _too_large()
                content.write(chunk)
    except TimeoutError as error:
        raise RequestError(408, "the upload took too long", "timeout") from error
    if not content.tell():
        raise RequestError(400, "this file is empty", "empty")
    return content.getvalue()


def _too_large() -> RequestError:
    return RequestError(413, f"this file is larger than {MOST_BYTES // 2**20} MB", "too-large")
