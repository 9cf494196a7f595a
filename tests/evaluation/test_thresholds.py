"""The thresholds file of a run."""

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.evaluation import LabeledScores, Thresholds, choose_operating_points
from chexpert.evaluation.thresholds import warn_of_labels

NAMES = ["Edema", "Fracture"]
RULES = ["youden", "sensitivity_0.8"]


def make_labeled(level="image"):
    labels = np.array([[1, 0], [0, 0], [1, np.nan], [0, 0]])
    scores = np.array([[0.8, 0.1], [0.3, 0.2], [0.6, 0.3], [0.4, 0.4]])
    return LabeledScores(list("abcd"), np.arange(4), NAMES, scores, labels, level, "max")


def test_written_thresholds_are_read_with_counts_and_source(tmp_path):
    chosen = Thresholds.choose("dev", "report", [make_labeled(), make_labeled("study")], RULES)
    chosen.write(tmp_path / "thresholds.json")
    read = Thresholds.read(tmp_path / "thresholds.json")
    assert read == chosen
    assert (read.chosen_on, read.labels, read.views) == ("dev", "report", "max")
    assert read.levels["image"]["Edema"] == {
        "positives": 2,
        "negatives": 2,
        "thresholds": {"youden": 0.5, "sensitivity_0.8": 0.5},
    }
    assert read.by_level()["study"]["Fracture"] == {"youden": None, "sensitivity_0.8": None}


def test_thresholds_are_those_of_the_evaluation():
    labeled = make_labeled()
    chosen = Thresholds.choose("dev", "report", [labeled]).by_level()["image"]["Edema"]
    assert chosen == choose_operating_points(labeled)["Edema"]


@pytest.mark.parametrize("text", ["{}", '{"chosen_on": "dev"}', "[]", '{"levels": 3}'])
def test_missing_or_damaged_file_is_an_error(tmp_path, text):
    path = tmp_path / "thresholds.json"
    with raises("missing-calibration", path):
        Thresholds.read(path)
    path.write_text(text)
    with raises("missing-calibration" if text == "{}" else "damaged-file", path):
        Thresholds.read(path)


def test_warning_is_for_labels_of_reports_and_unknown_ones():
    assert warn_of_labels("report")
    assert warn_of_labels(None)
    assert warn_of_labels("radiologists") is warn_of_labels("given") is None
