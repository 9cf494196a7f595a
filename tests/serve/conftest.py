"""A tiny run with a gate and a development split, its served model, and a client of the viewer's addresses."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.runs import start

from chexpert.serve.app import make_app
from chexpert.serve.job_queue import JobQueue
from chexpert.serve.served_model import ServedModel

TOKEN, PORT = "a-token", 8765
SETTINGS = ["data.dev=0.3", "gate=mahalanobis", "observations=all"]


@dataclass
class Client:
    """Asks the viewer in this process, as its own page does."""

    app: Any
    base: str = f"http://127.0.0.1:{PORT}"

    def ask(self, path: str, content: bytes | None = None, token: str = TOKEN, **options: Any) -> httpx.Response:
        """Send a request: a POST where there is content."""
        return self.ask_all([(path, content)], token, **options)[0]

    def ask_all(self, requests: Any, token: str = TOKEN, **options: Any) -> list[httpx.Response]:
        """Send requests at once, and return the answers in their order."""

        async def send() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=self.base) as client:
                return await asyncio.gather(*(
                    client.request("GET" if content is None else "POST", f"/{token}{path}", content=content, **options)
                    for path, content in requests
                ))  # fmt: skip

        return asyncio.run(send())


@pytest.fixture(scope="session")
def run(tmp_path_factory, phantom) -> Path:
    folder = tmp_path_factory.mktemp("served") / "run"
    start(folder, phantom, *SETTINGS)
    return folder


@pytest.fixture(scope="session")
def images(phantom) -> list[Path]:
    """Frontal validation images."""
    return sorted((phantom / "CheXpert-v1.0-small/valid").rglob("*_frontal.jpg"))


@pytest.fixture(scope="session")
def model(run) -> ServedModel:
    return ServedModel(run, error_rate=0.4)


@pytest.fixture
def queue() -> Iterator[JobQueue]:
    queue = JobQueue()
    yield queue
    queue.close()


@pytest.fixture
def client(model, queue) -> Client:
    return Client(make_app(model, queue, TOKEN, PORT))
