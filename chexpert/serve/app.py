"""The viewer's addresses: its page, and the interface that the page asks for JSON."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
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
Work = Coroutine[Any, Any, dict[str, Any]]
Call = Callable[[Job, bytes], Work]
"""Work of a job on an image."""
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
        Route("/api/neighbors", _Comparison(model, queue), methods=["POST"]),
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
    """Answers a request with what a function makes of the image in its body. A browser that leaves ends the work."""

    def __init__(self, queue: JobQueue, call: Callable[[bytes], dict[str, Any]]) -> None:
        self.queue, self.call = queue, call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with taking_upload(self.queue, Request(scope, receive)) as (job, content):
            found = await _run_until_left(self.queue.run(job, lambda job: self.call(content)), receive)
        await JSONResponse(found)(scope, receive, send)


async def _run_until_left(work: Work, receive: Receive) -> dict[str, Any]:
    """Return the result of some work on a request whose body is read.

    Raises:
        ClientDisconnect: the browser has left.
    """

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(watch())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


class _Lines:
    """Answers with lines of JSON: the progress now and then, at last the result or an error.

    A browser that leaves ends the work.
    """

    def __init__(self, model: ServedModel, queue: JobQueue) -> None:
        self.model, self.queue = model, queue

    async def answer(self, request: Request, call: Call, send: Send) -> None:
        """Answer with what is made of the image in the body of a request."""
        async with taking_upload(self.queue, request) as (job, content):
            lines = self._work(job, call, content)
            await StreamingResponse(lines, media_type="application/x-ndjson")(request.scope, request.receive, send)

    async def _work(self, job: Job, call: Call, content: bytes) -> AsyncIterator[str]:
        task = asyncio.ensure_future(call(job, content))
        try:
            while not task.done():
                yield _line({"started": job.started, "progress": job.progress})
                await asyncio.wait({task}, timeout=EVERY)
            yield _line(_get_result(task))
        finally:
            job.cancel()
            task.cancel()


class _Explanation(_Lines):
    """Explains the image in the body of a request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        method = _choose(request, "method", list(self.model.explainers.by_name))
        observation = _choose(request, "observation", self.model.names)

        async def explain(job: Job, content: bytes) -> dict[str, Any]:
            return await self.queue.run(job, lambda job: self.model.explain(content, method, observation, job))

        await self.answer(request, explain, send)


class _Comparison(_Lines):
    """Compares the image in the body of a request with training images, whose features the first one computes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(Request(scope, receive), self._compare, send)

    async def _compare(self, job: Job, content: bytes) -> dict[str, Any]:
        image = await self.queue.run(job, lambda _: self.model.read_accepted(content))
        while "done" in (found := await self.queue.run(job, lambda _: self.model.compare(image))):
            job.progress = found["done"] / found["total"]  # other requests come in between
        return found


def _get_result(task: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a job, or its error: the status of the answer has been sent before."""
    try:
        return {"result": task.result()}
    except (UserError, JobCancelledError, JobFailedError) as error:
        return _get_answer(error)[1]


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
    """Return message, place and hint of an error; a place or hint that holds a path stays in the terminal."""
    parts = {"where": error.where, "hint": error.hint}
    shown = {key: text for key, text in parts.items() if text and not set(text) & set("/\\")}
    if len(shown) < sum(map(bool, parts.values())):
        log.warning(str(error))
    return 422, {"error": error.message, "code": error.code} | shown


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


def _get_answer(error: Exception) -> Outcome:
    """Return the answer to an error, also to one of a derived class."""
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)(error)


async def _answer_error(request: Request, error: Exception) -> Response:
    status, content = _get_answer(error)
    return JSONResponse(content, status, {"Retry-After": "1"} if status == 429 else None)


HANDLERS: dict[Any, Any] = dict.fromkeys(ANSWERS, _answer_error)
