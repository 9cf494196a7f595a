"""Completions that a shell asks for, as argcomplete's scripts do."""

import os
import subprocess
import sys

import pytest


def complete(line: str, folder) -> set[str]:
    answer = folder / "answer"
    answer.unlink(missing_ok=True)
    asked = {
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line, "COMP_POINT": str(len(line)),
    }  # fmt: skip
    code = "from chexpert.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | asked, cwd=folder, check=True)
    return {word.rstrip() for word in answer.read_text().split("\n") if word}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("chexpert trai", {"train"}),
        ("chexpert train model=c", {"model=combined", "model=combined_six"}),
        ("chexpert train optimizer.l", {"optimizer.lr="}),
        ("chexpert demo seed", {"seed="}),
        ("chexpert predict --ob", {"--observations"}),
        ("chexpert compare --level ", {"image", "study"}),
    ],
)
def test_line_has_its_completions(tmp_path, line, words):
    assert complete(line, tmp_path) == words
