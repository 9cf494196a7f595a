"""Work in several processes."""

import multiprocessing
import os
import signal
import sys
import time

import pytest
from helpers.errors import raises

from chexpert.data import parallel

FILES = [f"{i}.jpg" for i in range(100)]


def name_process(file):
    return file, os.getpid()


def die(file):
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_the_order_of_the_files(workers):
    found = parallel.map_files(name_process, FILES, "test", workers)
    assert [file for file, _ in found] == FILES


def test_several_workers_are_other_processes():
    assert os.getpid() not in {process for _, process in parallel.map_files(name_process, FILES, "test", 2)}


def test_killed_worker_is_an_error():
    with raises("dead-process", "test"):
        parallel.map_files(die, FILES, "test", 2)


def note_process(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(0.01)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="starts processes by forking")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    work = (note_process, [tmp_path] * 10_000, "test", 2)
    parent = multiprocessing.get_context("fork").Process(target=parallel.map_files, args=work)
    parent.start()
    deadline = time.monotonic() + 20
    while len(workers := [int(file.name) for file in tmp_path.iterdir()]) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    parent.kill()
    parent.join()
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = [worker for worker in workers if is_running(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert (len(workers), left) == (2, [])


def test_only_processors_of_this_process_are_counted(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert parallel.count_processors() == 3


def test_no_files_have_no_results():
    assert parallel.map_files(name_process, [], "test") == []
