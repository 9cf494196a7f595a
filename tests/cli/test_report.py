"""chexpert report: its errors with exit code 2."""

from helpers.cli import run_cli
from helpers.errors import find_places


def test_folder_without_metrics_is_an_error(tmp_path):
    done = run_cli("report", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == [str(tmp_path / "metrics.json")]


def test_place_of_an_error_is_the_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_places(run_cli("report", ".").stderr) == [str(tmp_path / "metrics.json")]


def test_folder_as_page_is_an_error(tmp_path):
    done = run_cli("report", tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr.partition("error: ")[2]
    assert find_places(done.stderr) == ["chexpert report"]
