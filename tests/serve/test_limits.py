"""Many requests, large ones and hostile files: each gets one answer, and the work stays bounded."""

import asyncio
import io
import threading
from unittest import mock

import httpx
import numpy as np
import pytest
from data.test_mutated_images import KINDS, mutate
from helpers.dicom import make_dicom
from PIL import Image

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
    assert set(found.json()) == {"error", "code"}
    assert "\n" not in found.json()["error"]


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
