"""Many requests, large ones and hostile files: each gets one answer, and the work stays bounded."""

import asyncio
import gc
import io
import json
import threading
import weakref
from unittest import mock

import httpx
import numpy as np
import pytest
from data.test_mutated_images import KINDS, mutate
from helpers.dicom import make_dicom
from PIL import Image
from serve.conftest import PORT, TOKEN

from chexpert.errors import UserError
from chexpert.peak_memory import read_process_peak, reset_process_peak
from chexpert.serve import upload
from chexpert.serve.job_queue import MOST_JOBS, JobQueue, QueueFullError


def test_200_requests_at_once_are_answered_or_refused(client, model, images):
    content = images[0].read_bytes()
    expected = model.predict(content)
    found = client.ask_all([("/api/predictions", content)] * 200)
    counts = {status: sum(one.status_code == status for one in found) for status in (200, 429)}
    assert counts[200] + counts[429] == 200
    assert counts[200] >= MOST_JOBS
    assert all(one.json() == expected for one in found if one.status_code == 200)
    busy = next(one for one in found if one.status_code == 429)
    assert (busy.json()["code"], busy.headers["retry-after"]) == ("busy", "1")
    assert client.ask("/api/predictions", content).status_code == 200  # all places are free again


def test_upload_over_the_limit_is_refused_before_it_is_read(client):
    with mock.patch.object(upload, "MOST_BYTES", 1000), mock.patch.object(upload, "MOST_DISCARDED", 2000):
        found = client.ask("/api/predictions", b"x" * 1001)
        assert (found.status_code, found.json()["code"]) == (413, "too-large")

        async def stream():
            for number in range(100):
                sent.append(number)
                yield b"x" * 300

        sent: list[int] = []  # without its length, as a program may send it

        async def send():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=client.base) as own:
                return await own.post("/a-token/api/predictions", content=stream())

        assert asyncio.run(send()).status_code == 413
        assert len(sent) <= 15  # 1,000 bytes are read, and 2,000 more are discarded


def test_slow_upload_gives_its_place_back(client):
    async def stream():
        yield b"x"
        await asyncio.sleep(5)
        yield b"x"

    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=client.base) as own:
            return await own.post("/a-token/api/predictions", content=stream())

    with mock.patch.object(upload, "MOST_SECONDS", 0.05):
        assert asyncio.run(send()).status_code == 408


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"%PDF-1.7", b"<svg onload=alert(1)>", b"GIF89a", b"PK\x03\x04"])
def test_what_is_no_image_is_one_message(client, content):
    found = client.ask("/api/predictions", content)
    assert found.status_code == (422 if content else 400)
    assert {"error", "code"} <= set(found.json())
    assert "\n" not in found.json()["error"]
    if content:
        assert (found.json()["where"], found.json()["hint"]) == ("the image", "give another image: PNG, JPEG or DICOM")


class OwnError(UserError):
    """Of a library's own."""


@pytest.mark.parametrize(("where", "hint", "shown"), [
    ("the data", "restore them", {"where": "the data", "hint": "restore them"}),
    ("/secret/patient00001", "restore it", {"hint": "restore it"}),
    (r"C:\secret", "see /secret", {}),
])  # fmt: skip
def test_error_is_shown_with_place_and_hint_but_no_path(client, model, images, where, hint, shown):
    error = OwnError("not there", code="missing-folder", where=where, hint=hint)
    for path in ("/api/predictions", "/api/neighbors", "/api/explanations?method=gradcam&observation=Edema"):
        with mock.patch.object(model, "read", side_effect=error):
            found = client.ask(path, images[0].read_bytes())
        assert json.loads(found.text.splitlines()[-1]) == {"error": "not there", "code": "missing-folder"} | shown


@pytest.mark.parametrize("path", ["/api/predictions", "/api/neighbors"])
def test_browser_that_leaves_gives_its_place_back(client, queue, model, images, path):
    held, called = threading.Event(), []

    async def go():
        with queue.reserve() as first:
            holding = asyncio.ensure_future(queue.run(first, lambda job: held.wait(30)))
            parts = [{"type": "http.request", "body": images[0].read_bytes(), "more_body": False}]
            left = asyncio.Event()

            async def receive():
                if parts:
                    return parts.pop()
                await left.wait()
                return {"type": "http.disconnect"}

            async def send(message):
                pass

            scope = {"type": "http", "method": "POST", "path": f"/{TOKEN}{path}", "query_string": b"", "root_path": "",
                     "headers": [(b"host", f"127.0.0.1:{PORT}".encode())], "asgi": {"spec_version": "2.3"}}  # fmt: skip
            request = asyncio.ensure_future(client.app(scope, receive, send))
            await asyncio.sleep(0.2)
            before = len(queue._jobs)
            left.set()
            await asyncio.wait_for(request, 5)
            counts = before, len(queue._jobs)
            held.set()
            await holding
            return counts

    with mock.patch.object(model, "read", side_effect=called.append):
        assert asyncio.run(go()) == (2, 1)
    queue.close()
    assert called == []


def test_cancelled_job_does_not_hold_its_image_until_its_turn(queue):
    class Content:
        pass

    async def go():
        held = threading.Event()
        with queue.reserve() as first, queue.reserve() as second:
            holding = asyncio.ensure_future(queue.run(first, lambda job: held.wait(30)))
            content = Content()
            seen = weakref.ref(content)
            waiting = asyncio.ensure_future(queue.run(second, lambda job, content=content: content))
            del content
            await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait({waiting})
            del waiting
            gc.collect()
            found = seen()
            held.set()
            await holding
            return found

    assert asyncio.run(go()) is None


def test_image_of_too_many_pixels_is_refused(client):
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    found = client.ask("/api/predictions", file.getvalue())
    assert (found.status_code, found.json()["code"]) == (422, "unreadable-image")


def test_tiny_image_is_refused(client):
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    found = client.ask("/api/predictions", file.getvalue())
    assert (found.status_code, found.json()["code"]) == (422, "image-size")


def test_dicom_text_does_not_reach_the_answer(client, tmp_path):
    path = make_dicom(tmp_path / "a.dcm", PatientName="DOE^JANE", PatientID="4711", private="SECRET")
    text = client.ask("/api/predictions", path.read_bytes()).text
    assert not any(word in text for word in ("DOE", "4711", "SECRET"))


@pytest.mark.filterwarnings("ignore")  # of pydicom, on what it reads all the same
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_file_is_an_answer_or_one_message(client, tmp_path, kind):
    rng, path = np.random.default_rng(7), tmp_path / "image"
    KINDS[kind](path)
    whole = path.read_bytes()
    contents = [content for content, _ in (mutate(whole, rng) for _ in range(8)) if content]
    for found in client.ask_all([("/api/predictions", content) for content in contents]):
        assert found.status_code in (200, 422)
        if found.status_code == 422:
            assert "\n" not in found.json()["error"]
            assert str(tmp_path) not in found.text


def test_error_of_the_program_is_logged_and_not_shown(client, model, images, capsys):
    with mock.patch.object(model, "read", side_effect=KeyError("a secret")):
        found = client.ask("/api/predictions", images[0].read_bytes())
    assert (found.status_code, found.json()["code"]) == (500, "failure")
    assert "secret" not in found.text
    assert "a secret" in capsys.readouterr().err


def test_queue_runs_one_job_at_a_time_and_refuses_more_than_it_holds():
    queue, inside, most = JobQueue(3), [], []

    def work(job):
        inside.append(threading.get_ident())
        most.append(len(inside))
        inside.pop()
        return 1

    async def go():
        places = [queue.reserve() for _ in range(3)]
        jobs = [place.__enter__() for place in places]
        with pytest.raises(QueueFullError), queue.reserve():
            pass
        found = await asyncio.gather(*(queue.run(job, work) for job in jobs))
        for place in places:
            place.__exit__(None, None, None)
        with queue.reserve():
            return found

    assert asyncio.run(go()) == [1, 1, 1]
    assert most == [1, 1, 1]
    queue.close()


def test_closed_queue_answers_and_does_not_fail(client, queue, images):
    queue.close()
    found = client.ask("/api/predictions", images[0].read_bytes())
    assert (found.status_code, found.json()["code"]) == (503, "cancelled")


@pytest.mark.slow
def test_peak_of_memory_does_not_grow_with_requests(client, images):
    content, query = images[0].read_bytes(), "?method=gradcam&observation=Edema"

    def ask(count: int) -> float:
        for _ in range(count):
            assert client.ask("/api/predictions", content).status_code == 200
        assert client.ask(f"/api/explanations{query}", content).status_code == 200
        peak = read_process_peak()
        assert peak is not None
        return peak

    reset_process_peak()
    first = ask(50)
    assert ask(450) - first < 16  # MiB
