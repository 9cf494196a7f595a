"""The viewer's addresses: its page, and the interface that the page asks for JSON."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chexpert.console import log
from chexpert.errors import UserError, UserErrors
from chexpert.serve.job_queue import Job, JobCancelledError, JobFailedError, JobQueue, QueueFullError
from chexpert.serve.security import Guard
from chexpert.serve.served_model import ServedModel
from chexpert.serve.upload import SLOW, RequestError, discard_upload, read_upload

STATIC = Path(__file__).parent / "static"
FILES = {"/": ("viewer.html", "text/html"), "/viewer.css": ("viewer.css", "text/css"),
         "/viewer.js": ("viewer.js", "text/javascript")}  # fmt: skip
EVERY = 0.2
"""Seconds between two lines about the progress of an explanation."""
Outcome = tuple[int, dict[str, Any]]
"""Status and content of an answer."""
BUSY = "too many requests at once: try again in a moment"


def make_app(model: ServedModel, queue: JobQueue, token: str, port: int) -> ASGIApp:
    """Return the viewer as an ASGI application.

    Args:
        model: of the run.
        queue: of the work of its model.
        token: first part of the path of each address.
        port: of the server.
    """
    described = model.describe()

    async def describe(request: Request) -> Response:
        return JSONResponse(described)

    routes = [_serve_file(path, *file) for path, file in FILES.items()]
    routes += [
        Route("/api/run", describe),
        Route("/api/predictions", _Answer(queue, model.predict), methods=["POST"]),
        Route("/api/neighbors", _Answer(queue, model.compare), methods=["POST"]),
        Route("/api/explanations", _Explanation(model, queue), methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers=HANDLERS)
    app.router.redirect_slashes = False
    return Guard(app, token, port)


@asynccontextmanager
async def taking_upload(queue: JobQueue, request: Request) -> AsyncIterator[tuple[Job, bytes]]:
    """Keep a place for a job, then read its image: the memory of all images that wait is bounded.

    Raises:
        QueueFullError: there is no place.
        RequestError: the upload is refused.
    """
    try:
        with queue.reserve() as job:
            yield job, await read_upload(request)
    except (QueueFullError, RequestError) as error:
        if not (isinstance(error, RequestError) and error.status == SLOW):
            await discard_upload(request)
        raise


class _Answer:
    """Answers a request with what a function makes of the image in its body; 202 where that is not yet ready."""

    def __init__(self, queue: JobQueue, call: Callable[[bytes], dict[str, Any]]) -> None:
        self.queue, self.call = queue, call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with taking_upload(self.queue, Request(scope, receive)) as (job, content):
            found = await self.queue.run(job, lambda job: self.call(content))
        await JSONResponse(found, 202 if "done" in found else 200)(scope, receive, send)


class _Explanation:
    """Explains the image in the body of a request: a line of JSON for the progress now and then, and one at the end.

    A browser that leaves ends the work.
    """

    def __init__(self, model: ServedModel, queue: JobQueue) -> None:
        self.model, self.queue = model, queue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        method = _choose(request, "method", list(self.model.explainers.by_name))
        observation = _choose(request, "observation", self.model.names)
        async with taking_upload(self.queue, request) as (job, content):
            lines = self._work(job, lambda job: self.model.explain(content, method, observation, job))
            await StreamingResponse(lines, media_type="application/x-ndjson")(scope, receive, send)

    async def _work(self, job: Job, call: Callable[[Job], dict[str, Any]]) -> AsyncIterator[str]:
        task = asyncio.ensure_future(self.queue.run(job, call))
        try:
            while not task.done():
                yield _line({"started": job.started, "progress": job.progress})
                await asyncio.wait({task}, timeout=EVERY)
            yield _line(_get_result(task))
        finally:
            job.cancel()
            task.cancel()


def _get_result(task: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a job, or its error: the status of the answer has been sent before."""
    try:
        return {"result": task.result()}
    except (UserError, JobCancelledError, JobFailedError) as error:
        return ANSWERS[type(error)](error)[1]


def _choose(request: Request, name: str, known: list[str]) -> str:
    value = request.query_params.get(name, "")
    if value not in known:
        raise RequestError(400, f"this model has no such {name}", "choice")
    return value


def _serve_file(path: str, name: str, kind: str) -> Route:
    content = (STATIC / name).read_bytes()

    async def serve(request: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8")

    return Route(path, serve)


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, allow_nan=False) + "\n"


def _describe(error: Any) -> Outcome:
    return 422, {"error": error.message, "code": error.code}


def _log_failure(error: Any) -> Outcome:
    """Log an error of the program's own: the page shows its type alone, since its text may hold anything."""
    log.error("".join(traceback.format_exception(error.__cause__)))
    name = type(error.__cause__).__name__
    return 500, {"error": f"the viewer failed ({name}); its terminal has the details", "code": "failure"}


ANSWERS: dict[type[Exception], Callable[[Any], Outcome]] = {
    ClientDisconnect: lambda error: (400, {"error": "the upload ended early", "code": "disconnected"}),
    JobCancelledError: lambda error: (503, {"error": "the server ends", "code": "cancelled"}),
    JobFailedError: _log_failure,
    QueueFullError: lambda error: (429, {"error": BUSY, "code": "busy"}),
    RequestError: lambda error: (error.status, {"error": error.message, "code": error.code}),
    UserError: _describe,
    UserErrors: lambda error: _describe(error.errors[0]),
}
"""Status and content of the answer to each kind of error."""


async def _answer_error(request: Request, error: Exception) -> Response:
    status, content = ANSWERS[type(error)](error)
    return JSONResponse(content, status, {"Retry-After": "1"} if status == 429 else None)


HANDLERS: dict[Any, Any] = dict.fromkeys(ANSWERS, _answer_error)
