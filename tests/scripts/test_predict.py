"""The command line of predict.py: what it refuses with one message and code 2 (what it predicts: test_predicting)."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/predict.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run image.png there.csv", "nothing is overwritten"),
        ("run image.png new.csv", "no checkpoint"),
        ("run image.png new.csv --batch-size 0", "--batch-size is at least 1"),
        ("run image.png new.csv --workers -1", "--workers at least 0"),
        ("run image.png new.csv --level patient", "invalid choice: 'patient'"),
        ("run new.csv", "the following arguments are required"),
    ],
)
def test_a_wrong_call_ends_with_one_message(tmp_path, monkeypatch, capsys, arguments, message):
    spec = importlib.util.spec_from_file_location("predict", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict.py", *arguments.split()])
    Path("there.csv").write_text("kept")
    with pytest.raises(SystemExit) as left:
        script.main()
    assert left.value.code == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert Path("there.csv").read_text() == "kept"
