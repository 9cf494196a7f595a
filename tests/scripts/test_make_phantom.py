"""The command line of the phantom: what it refuses is one message and exit code 2."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/make_phantom.py"
TINY = ("--patients", "0", "--valid", "2", "--size", "32", "--workers", "1")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """The script in this process and an empty folder with a file `file`, given its arguments; gives its exit code."""
    spec = importlib.util.spec_from_file_location("make_phantom", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    def make(*arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", ["make_phantom.py", *arguments])
        try:
            return script.main()
        except SystemExit as left:
            return left.code

    return make


def test_a_phantom_of_the_test_split_alone_with_its_sheet(make, tmp_path: Path, capsys) -> None:
    only_test = ("--patients", "0", "--valid", "0", "--test", "4", "--size", "32", "--workers", "1")
    assert make("ph", *only_test, "--sheet", "x.png") is None
    output, errors = capsys.readouterr()
    assert errors == ""
    assert output.startswith("written: ph, synthetic")
    assert "ph/CheXpert-v1.0-small/test_labels.csv: test, " in output
    assert "ph/gt_segmentations_test.json: masks of test" in output
    assert output.splitlines()[-1].startswith("written: x.png")
    assert cv2.imread("x.png") is not None
    assert len(list((tmp_path / "ph").rglob("*.jpg"))) >= 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("file",), "is not an empty folder"),
        ((".",), "has no name of its own"),
        (("file/ph",), "cannot be made"),
        (("ph", "--strength", "Edema=inf"), "strength[Edema] = inf"),
        (("ph", "--laterals", "nan"), "laterals = nan"),
    ],
)
def test_what_cannot_be_is_one_message_and_exit_code_2(make, tmp_path: Path, capsys, arguments, message: str) -> None:
    assert make(*arguments, *TINY) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_sheet_that_cannot_be_written_is_reported(make, capsys) -> None:
    assert make("ph", *TINY, "--sheet", "file/x.png") == 2
    assert "file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ((), "python train.py data=small data.root=ph"),
        (("--layout", "aimi"), "python train.py data=full data.root=ph"),
        (("--layout", "plus"), "python train.py data=chexpert data.root=ph"),
        (("--patients", "0"), "python train.py data=small data.root=ph start_from=RUN trainer.max_epochs=0"),
        (("--defects", "missing"), "python scripts/audit_data.py ph"),
    ],
)
def test_the_command_that_uses_it_is_the_last_line(make, capsys, arguments, command) -> None:
    assert make("ph", "--patients", "1", "--valid", "2", "--size", "16", "--workers", "1", *arguments) is None
    assert capsys.readouterr().out.splitlines()[-1] == f"use it:  {command}"
