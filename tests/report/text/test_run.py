"""The results of a run as text."""

import math

import numpy as np
import pytest

from chexpert.evaluation import LabeledScores, evaluate
from chexpert.report.text.run import describe
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]


@pytest.fixture
def run(tmp_path):
    """Return a function that writes a run folder with these skipped views."""

    def write(*skipped, chosen="valid"):
        labels = np.array([[1, 0], [1, 0], [0, 0], [0, 0], [0, math.nan]], "float64")
        scores = np.array([[0.9, 0.1], [0.4, 0.2], [0.5, 0.3], [0.3, 0.4], [0.2, 0.5]])
        labeled = LabeledScores(list("abcde"), np.arange(5), NAMES, scores, labels, "image", "max")
        run_files.write_json(run_files.evaluation(tmp_path, "valid"), evaluate(labeled, mean_over=NAMES))
        split = {"labels": "valid.csv"}
        run_files.write_json(
            tmp_path / run_files.METRICS, {"valid": split, "epoch_chosen_on": chosen, "skipped": list(skipped)}
        )
        return tmp_path

    return write


def find(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_auroc_has_its_interval_and_counts(run):
    line = find(describe(run()), "Edema")
    assert line.split()[1] == "0.833"
    assert line.split()[2].startswith("[")
    assert "2 positive, 3 negative" in line


def test_undefined_auroc_is_a_dash(run):
    assert find(describe(run()), "Fracture").split()[1:4] == ["-", "0", "positive,"]


def test_mean_has_its_count_and_the_split_that_chose_the_epoch(run):
    line = find(describe(run()), "mean over 1")
    assert line.split()[3] == "0.833"
    assert "optimistic" in line
    line = find(describe(run(chosen="dev")), "mean over 1")
    assert line.split()[-1] == "dev"
    assert "optimistic" not in line
    line = find(describe(run(chosen=None)), "mean over 1")  # nothing was trained
    assert not {"optimistic", "dev", "valid"} & set(line.split())


def test_first_line_is_the_evaluation_setting(run):
    head = describe(run()).splitlines()[0]
    assert all(fact in head for fact in ("AUROC", "valid split", "valid.csv", "single views", "n = 5", "95 %", "1,000"))


def test_run_is_described_from_its_folder(run):
    folder = run()
    sheet = folder / "explanations" / "lime" / "sheet.png"
    sheet.parent.mkdir(parents=True)
    sheet.touch()
    assert "chexpert predict" not in describe(folder)  # there is no checkpoint
    best = folder / "checkpoints" / "best.ckpt"
    best.parent.mkdir()
    best.touch()
    text = describe(folder)
    assert str(sheet) in text
    assert f"chexpert predict {folder} " in text
    assert "skipped" not in text


def test_skipped_views_are_counted(run):
    assert "2" in find(describe(run("a.jpg", "b.jpg")), "skipped")


def test_tensorboard_is_named_only_where_it_was_written(run):
    folder = run()
    assert "--logdir" not in describe(folder)
    (folder / "tensorboard").mkdir()
    assert f"--logdir {folder}" in describe(folder)
