"""Work in several processes."""

import os

import pytest

from chexpert.data.audit import parallel
from chexpert.problem import ProblemError

FILES = [f"{i}.jpg" for i in range(100)]


def name_process(file):
    return file, os.getpid()


def die(file):
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_files(workers):
    found = parallel.map_files(name_process, FILES, "test", workers)
    assert [file for file, _ in found] == FILES


def test_several_workers_are_other_processes():
    assert os.getpid() not in {process for _, process in parallel.map_files(name_process, FILES, "test", 2)}


def test_a_killed_worker_is_told_and_does_not_hang():
    with pytest.raises(ProblemError, match="ended from outside"):
        parallel.map_files(die, FILES, "test", 2)


def test_without_a_terminal_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(parallel, "LINE_EVERY", 0)
    assert list(parallel.watch(iter("ab"), "hashing", 2)) == ["a", "b"]
    assert capsys.readouterr().err == "hashing: 1 of 2, about 0 min left\nhashing: 2 of 2, about 0 min left\n"


def test_no_file_is_no_work():
    assert parallel.map_files(name_process, [], "test") == []
