"""The benchmarks: their rounds, and a run of the one for a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.commands import run_command

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def rounds(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT / "scripts/benchmarks")
    import rounds

    return rounds


def bench(name, *arguments, cwd=PROJECT):
    command = [sys.executable, str(PROJECT / f"scripts/benchmarks/bench_{name}.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_cases_alternate_and_the_first_round_is_not_counted(rounds):
    order = []
    seconds = rounds.take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_case_may_return_its_own_time(rounds):
    assert rounds.take_turns({"a": lambda: rounds.Timed(2.5)}, rounds=1) == {"a": [2.5]}


def test_make_bench_runs_all_benchmarks_without_data():
    (names,) = (line for line in (PROJECT / "Makefile").read_text().splitlines() if line.startswith("BENCHES"))
    existing = {path.stem.removeprefix("bench_") for path in PROJECT.glob("scripts/benchmarks/bench_*.py")}
    assert set(names.split(":=")[1].split()) == existing - {"audit"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_benchmark_without_a_gpu_does_nothing(rounds):
    done = run_command("scripts/benchmarks/bench_gpu.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no GPU" in done.stdout


@pytest.mark.slow
def test_gpu_benchmark_runs_on_a_cpu(tmp_path):
    tiny = "--device", "cpu", "--models", "resnet10t@64", "--images", 60, "--batch", 8, "--workers", 1, "--rounds", 1
    done = bench("gpu", *tiny, "--json", tmp_path / "gpu.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(json.loads((tmp_path / "gpu.json").read_text())) == ["resnet10t@64"]
