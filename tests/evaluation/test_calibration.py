"""The calibration file of a run."""

import numpy as np
from helpers.errors import raises

from chexpert.evaluation import LabeledScores
from chexpert.evaluation.calibration import Calibration, evaluate_calibrated
from chexpert.evaluation.run import fit_calibration

NAMES = ["Edema", "Fracture"]


def make_labeled(level="image"):
    labels = np.array([[1, 0], [0, 0], [1, np.nan], [0, 0]])
    scores = np.array([[0.8, 0.1], [0.3, 0.2], [0.6, 0.3], [0.7, 0.4]])
    return LabeledScores(list("abcd"), np.arange(4), NAMES, scores, labels, level, "max")


def test_written_calibration_is_read_and_applied_by_name(tmp_path):
    fitted = Calibration.fit("platt", "dev", [make_labeled(), make_labeled("study")])
    fitted.write(tmp_path / "calibration.json")
    read = Calibration.read(tmp_path / "calibration.json")
    assert read == fitted
    scores = np.array([[0.5], [0.9]])
    for level in ("image", "study"):
        assert read.apply(scores, ["Edema"], level).tolist() == fitted.apply(scores, ["Edema"], level).tolist()


def test_observation_without_positives_is_not_calibrated():
    fitted = Calibration.fit("isotonic", "dev", [make_labeled()])
    assert fitted.levels["image"]["Fracture"] is None
    with raises("missing-calibration", "calibration.json") as caught:
        fitted.apply(np.zeros((1, 2)), NAMES, "image")
    assert "Fracture" in caught.value.message
    assert "Edema" not in caught.value.message


def test_split_without_positives_leaves_no_calibration(tmp_path, capsys):
    labeled = make_labeled()
    labeled.labels[:] = 0
    assert fit_calibration(tmp_path, "platt", "dev", [labeled]) is None
    assert "dev" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert evaluate_calibrated(make_labeled(), Calibration.fit("platt", "dev", [labeled])) is None


def test_level_that_was_not_fitted_is_an_error():
    fitted = Calibration.fit("temperature", "dev", [make_labeled()])
    with raises("missing-calibration", "calibration.json") as caught:
        fitted.apply(np.zeros((1, 1)), ["Edema"], "study")
    assert "study" in caught.value.message


def test_missing_calibration_file_is_an_error(tmp_path):
    with raises("missing-calibration", tmp_path / "calibration.json") as caught:
        Calibration.read(tmp_path / "calibration.json")
    assert "data.dev=0.1" in caught.value.hint
    assert "calibration=platt" in caught.value.hint
    assert "Errno" not in str(caught.value)
