"""chexpert predict: its errors with exit code 2."""

from pathlib import Path

import pytest
from helpers.cli import run_cli
from helpers.errors import find_places


@pytest.mark.parametrize(
    ("arguments", "places", "named"),
    [
        ("run image.png there.csv", ["there.csv"], ""),
        ("run image.png new.csv", ["run"], ""),
        ("run image.png new.csv --batch-size 0", ["chexpert predict"], "--batch-size"),
        ("run image.png new.csv --workers -1", ["chexpert predict"], "--workers"),
        ("run image.png new.csv --level patient", ["chexpert predict"], "--level"),
        ("run new.csv", ["chexpert predict"], "OUTPUT.csv"),
    ],
)
def test_wrong_call_is_an_error(tmp_path, monkeypatch, arguments, places, named):
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("kept")
    done = run_cli("predict", *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == places
    assert named in done.stderr.partition("error: ")[2]
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert Path("there.csv").read_text() == "kept"
