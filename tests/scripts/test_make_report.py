"""The command line of the report."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts/make_report.py"


def call(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_a_folder_without_figures_is_told_with_exit_code_2(tmp_path):
    done = call(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "no figures of a run"


def test_a_page_that_cannot_be_written_is_told_before_work(tmp_path):
    done = call(tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert "is there, but no file" in done.stderr
