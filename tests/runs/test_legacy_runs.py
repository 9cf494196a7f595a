"""Run folders of an older version.

They were written before packages and files were renamed, by runs of a tiny network on the tests' phantom:
`finished` trained three epochs, `stopped` was ended by SIGTERM in the third.
"""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import train

import chexpert
from chexpert.report import describe, write_report

LEGACY = Path(__file__).parents[1] / "legacy_checkpoints"


def read_scores(folder: Path, split: str) -> np.ndarray:
    with (folder / f"predictions/{split}.csv").open() as file:
        return np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]])


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 rounds otherwise: the phantom has other bytes")
def test_stopped_run_of_an_older_version_resumes(tmp_path, phantom):
    run = shutil.copytree(LEGACY / "run_stopped", tmp_path / "run")
    done = train(f"resume={run}", f"data.root={phantom}")
    assert done.returncode == 0, done.stderr
    state = json.loads((run / "state.json").read_text())
    assert (state["state"], len(state["resumed"])) == ("finished", 1)
    assert (run / "checkpoints/step-0000012.ckpt").is_file()
    for split in ("dev", "valid"):  # another machine rounds otherwise
        assert read_scores(run, split) == pytest.approx(read_scores(LEGACY / "run_finished", split), abs=1e-3)


def test_finished_run_of_an_older_version_is_read(tmp_path):
    run = shutil.copytree(LEGACY / "run_finished", tmp_path / "run")
    assert chexpert.load(run).observations[0] == "Atelectasis"
    assert "mean over 5                 0.419" in describe(run)
    write_report(run)
    page = (run / "report.html").read_text()
    assert page.count("data:image/jpeg;base64") == 1  # the image under explanations/films
