"""What a run found, as text."""

import math

import pytest

from chexpert import rundir
from chexpert.report.tables import auroc_table, describe

SPLIT = {
    "labels": "valid.csv",
    "level": "image",
    "n": 9,
    "auroc": {
        "Edema": {"value": 0.91249, "positives": 4, "negatives": 5},
        "Fracture": {"value": None, "positives": 0, "negatives": 9},
    },
    "auroc_mean": 0.91249,
    "auroc_mean_over": ["Edema"],
}


@pytest.fixture
def run(tmp_path):
    """Writes a run folder with these skipped views."""

    def write(*skipped):
        split = SPLIT | {"auroc": SPLIT["auroc"] | {"Fracture": {"value": math.nan, "positives": 0, "negatives": 9}}}
        rundir.write_json(
            tmp_path / rundir.METRICS, {"valid": split, "epoch_chosen_on": "valid", "skipped": list(skipped)}
        )
        return tmp_path

    return write


def cells():
    """The lines of the table as words."""
    return [line.split() for line in auroc_table(SPLIT, "made up", "chosen elsewhere").splitlines()]


def test_a_defined_auroc_stands_with_its_counts():
    assert cells()[1] == ["Edema", "0.912", "4", "positive,", "5", "negative"]


def test_an_undefined_auroc_is_a_dash():
    assert cells()[2] == ["Fracture", "-", "0", "positive,", "9", "negative"]


def test_an_undefined_mean_is_a_dash():
    table = auroc_table(SPLIT | {"auroc_mean": None, "auroc_mean_over": []}, "made up", "chosen elsewhere")
    assert table.splitlines()[-1].split()[:4] == ["mean", "over", "0", "-"]


def test_the_mean_tells_over_how_many():
    assert cells()[3][:4] == ["mean", "over", "1", "0.912"]


def test_the_yardstick_stands_above_the_table():
    assert auroc_table(SPLIT, "made up", "chosen elsewhere").splitlines()[0] == "AUROC, made up, n = 9"


def test_figures_stand_below_each_other():
    lines = auroc_table(SPLIT, "made up", "chosen elsewhere").splitlines()
    assert lines[1].index("0.912") + 5 == lines[2].index("-   ") + 1
    assert lines[1].index("0.912") == lines[3].index("0.912")


def test_a_run_is_described_from_its_folder_alone(run):
    folder = run()
    sheet = folder / "explanations" / "lime" / "sheet.png"
    sheet.parent.mkdir(parents=True)
    sheet.touch()
    assert "chexpert.load" not in describe(folder)  # there is no checkpoint to load
    best = folder / "checkpoints" / "best.ckpt"
    best.parent.mkdir()
    best.touch()
    text = describe(folder)
    assert text.startswith(
        auroc_table(SPLIT, "valid split, single views, labels of valid.csv", "epoch chosen here: optimistic")
    )
    assert f"explanations:  {sheet}" in text
    assert f"chexpert.load('{folder}')" in text
    assert "skipped" not in text


def test_skipped_views_are_counted(run):
    assert "skipped: 2 views" in describe(run("a.jpg", "b.jpg"))


def test_a_split_on_which_the_epoch_was_chosen_is_called_optimistic(tmp_path):
    splits = {
        "dev": SPLIT | {"labels": "train.csv"},
        "valid": SPLIT | {"level": "study"},
        "epoch_chosen_on": "dev",
        "skipped": [],
    }
    rundir.write_json(tmp_path / rundir.METRICS, splits)
    lines = describe(tmp_path).splitlines()
    assert lines[0] == "AUROC, dev split, single views, labels of train.csv, blank as negative, n = 9"
    assert lines[3].endswith("epoch chosen here: optimistic")
    assert lines[4] == "AUROC, valid split, studies, labels of valid.csv, n = 9"
    assert lines[7].endswith("epoch chosen on dev")


def test_where_nothing_was_trained_no_epoch_was_chosen(tmp_path):
    rundir.write_json(tmp_path / rundir.METRICS, {"valid": SPLIT, "epoch_chosen_on": None, "skipped": []})
    assert describe(tmp_path).splitlines()[3].endswith("nothing was trained, no epoch chosen")
