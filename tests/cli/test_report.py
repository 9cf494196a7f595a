"""chexpert report: its errors with exit code 2."""

from helpers.cli import run_cli
from helpers.errors import find_places


def test_folder_without_metrics_is_an_error(tmp_path):
    done = run_cli("report", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == [str(tmp_path / "metrics.json")]


def test_folder_as_page_is_an_error(tmp_path):
    done = run_cli("report", tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr.partition("error: ")[2]
    assert find_places(done.stderr) == ["chexpert report"]
