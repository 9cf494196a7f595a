"""``--help`` and errors of every command: quick, since no large library is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import run_cli

from chexpert.cli.main import COMMANDS

PROJECT = Path(__file__).parents[2]
SHIMS = sorted(PROJECT.glob("scripts/*.py"))
BENCHMARKS = [path for path in sorted(PROJECT.glob("scripts/benchmarks/*.py")) if "__main__" in path.read_text()]
SLOW = ("torch", "pandas", "scipy", "matplotlib", "skimage", "sklearn", "cv2", "timm", "pytorch_lightning", "hydra")

ASK = """
import runpy, sys
from pathlib import Path
del sys.argv[0]
sys.path[:0] = [".", "scripts/benchmarks"]
try:
    if Path(sys.argv[0]).suffix:
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        from chexpert.cli.main import main
        main()
except SystemExit as end:
    code = end.code or 0
print("code", code, "loaded", *(name for name in {slow} if name in sys.modules))
"""


def ask(*words: str) -> str:
    """Return the exit code of a command, and the large libraries that it imported, in a fresh interpreter."""
    command = [sys.executable, "-c", ASK.format(slow=SLOW), *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1].strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_no_large_library(name):
    assert ask("chexpert", name, "--help") == "code 0 loaded"


@pytest.mark.parametrize("script", [PROJECT / "train.py", *BENCHMARKS], ids=lambda path: path.stem)
def test_help_of_scripts_imports_no_large_library(script):
    assert ask(str(script), "--help") == "code 0 loaded"


@pytest.mark.parametrize("words", [["trian"], ["model=combined"], ["train", "modle=combined"], ["evaluate"]])
def test_wrong_words_are_answered_without_a_large_library(words):
    assert ask("chexpert", *words) == "code 2 loaded"


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(words):
    done = run_cli(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")] == [*COMMANDS]


@pytest.mark.parametrize("script", SHIMS, ids=lambda path: path.stem)
def test_script_is_its_command(script):
    """Each script of a checkout holds only the name of a command."""
    text = script.read_text()
    assert len(text.splitlines()) == 6
    assert text.split('main("')[1].split('"')[0] in COMMANDS


def test_unknown_command_has_the_near_one_in_its_hint():
    done = run_cli("trian")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].split() == ["hint:", "did", "you", "mean", "train?"]


def test_settings_without_a_command_have_the_whole_command_in_their_hint():
    done = run_cli("model=combined", "data=small")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "  hint:  chexpert train model=combined data=small")
