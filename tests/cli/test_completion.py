"""Completions that a shell asks for, as argcomplete's scripts do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MYLAB = Path(__file__).parents[2] / "docs/examples/mylab/conf"


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
        ("chexpert train explainer.lime.sa", {"explainer.lime.samples="}),
        ("chexpert train logger.wandb.m", {"logger.wandb.mode="}),
        ("chexpert train seed=1 labels=on", {"labels=ones"}),
        ("chexpert train -m labels=on", {"labels=ones"}),
        (f"chexpert train --config-dir {MYLAB} experiment=my", {"experiment=mylab"}),
        (f"chexpert train --config-dir={MYLAB} loss=cap", {"loss=capped_bce"}),
        ("chexpert train --config-dir nosuch experiment=dem", {"experiment=demo"}),
        ("chexpert explain x --explainer lim", {"lime", "lime_package"}),
        ("chexpert explain x --explainer gradcam lim", {"lime", "lime_package"}),
        ("chexpert reproduce jf", {"jfhealthcare"}),
    ],
)
def test_line_has_its_completions(tmp_path, line, words):
    assert complete(line, tmp_path) == words
