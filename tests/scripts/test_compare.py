"""scripts/compare.py as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from made_runs import make_run


def compare(*arguments):
    command = [sys.executable, "scripts/compare.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_sweep_is_ranked_and_written(tmp_path):
    for job in range(3):
        make_run(tmp_path / "sweep" / str(job), 0.5 + job / 2, optimizer={"lr": job})
    make_run(tmp_path / "sweep/3", state="failed", why="no memory")
    done = compare(tmp_path / "sweep", "--bootstrap", 50, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    ranked = [line.split()[1].rpartition("/")[2] for line in done.stdout.splitlines() if line[:1] in "123"]
    assert ranked == ["2", "1", "0"]
    assert "3, failed: no memory" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"comparison.{kind}" for kind in ("csv", "html", "json", "md")
    ]
    assert json.loads((tmp_path / "out/comparison.json").read_text())["n"] == 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["none"], "no such file or folder"), (["none", "--bootstrap", "1"], "at least 2"), ([], "required")],
)
def test_a_wrong_call_ends_with_one_message(arguments, message):
    done = compare(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
