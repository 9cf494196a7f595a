"""chexpert phantom: its output, and its errors with exit code 2."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import cv2
import pytest
from helpers.cli import run_cli
from helpers.errors import find_places

Make = Callable[..., CompletedProcess]
TINY = ("--patients", "0", "--valid", "2", "--size", "32", "--workers", "1")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Call the script in a folder with one file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    return lambda *arguments: run_cli("phantom", *arguments)


def test_phantom_of_the_test_split_with_a_sheet(make: Make, tmp_path: Path) -> None:
    only_test = ("--patients", "0", "--valid", "0", "--test", "4", "--size", "32", "--workers", "1")
    done = make("ph", *only_test, "--sheet", "x.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert "synthetic" in done.stdout.splitlines()[0]
    for file in ("ph/CheXpert-v1.0-small/test_labels.csv", "ph/gt_segmentations_test.json", "x.png"):
        assert file in done.stdout
        assert Path(file).is_file()
    assert cv2.imread("x.png") is not None
    assert len(list((tmp_path / "ph").rglob("*.jpg"))) >= 4


@pytest.mark.parametrize(
    ("arguments", "code", "place", "named"),
    [
        (("file",), 2, "file", ""),
        ((".",), 2, ".", ""),
        (("file/ph",), 2, "file/ph", ""),
        (("ph", "--strength", "Edema=inf"), 2, "--strength[Edema]", "inf"),
        (("ph", "--laterals", "nan"), 2, "--laterals", "nan"),
    ],
)
def test_wrong_call_is_an_error(make: Make, tmp_path: Path, arguments, code: int, place: str, named: str) -> None:
    done = make(*arguments, *TINY)
    assert (done.returncode, done.stdout) == (code, "")
    assert find_places(done.stderr) == [place]
    assert named in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_unwritable_sheet_is_an_error(make: Make) -> None:
    done = make("ph", *TINY, "--sheet", "file/x.png")
    assert done.returncode == 2
    assert "file" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ((), "chexpert train data=small data.root=ph"),
        (("--layout", "aimi"), "chexpert train data=full data.root=ph"),
        (("--layout", "plus"), "chexpert train data=chexpert data.root=ph"),
        (("--patients", "0"), "chexpert train data=small data.root=ph start_from=RUN trainer.max_epochs=0"),
        (("--defects", "missing"), "chexpert audit ph"),
    ],
)
def test_last_line_is_the_command_that_uses_the_phantom(make: Make, arguments, command: str) -> None:
    done = make("ph", "--patients", "1", "--valid", "2", "--size", "16", "--workers", "1", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(f" {command}")
