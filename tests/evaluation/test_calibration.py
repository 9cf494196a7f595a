"""What a run keeps of its calibration."""

import numpy as np
import pytest

from chexpert.errors import UserError
from chexpert.evaluation import LabeledScores
from chexpert.evaluation import run as evaluate_run
from chexpert.evaluation.calibration import Calibration, evaluate_calibrated
from chexpert.evaluation.run import fit_calibration

NAMES = ["Edema", "Fracture"]


def make_labeled(level="image"):
    labels = np.array([[1, 0], [0, 0], [1, np.nan], [0, 0]])
    scores = np.array([[0.8, 0.1], [0.3, 0.2], [0.6, 0.3], [0.7, 0.4]])
    return LabeledScores(list("abcd"), np.arange(4), NAMES, scores, labels, level, "max")


def test_it_is_read_as_it_was_written_and_applied_by_name(tmp_path):
    fitted = Calibration.fit("platt", "dev", [make_labeled(), make_labeled("study")])
    fitted.write(tmp_path / "calibration.json")
    read = Calibration.read(tmp_path / "calibration.json")
    assert read == fitted
    scores = np.array([[0.5], [0.9]])
    for level in ("image", "study"):
        assert read.apply(scores, ["Edema"], level).tolist() == fitted.apply(scores, ["Edema"], level).tolist()


def test_an_observation_without_positives_is_not_guessed():
    fitted = Calibration.fit("isotonic", "dev", [make_labeled()])
    assert fitted.levels["image"]["Fracture"] is None
    with pytest.raises(UserError, match="no calibration of Fracture at level image"):
        fitted.apply(np.zeros((1, 2)), NAMES, "image")


def test_where_nothing_could_be_fitted_no_calibration_is_left_nor_evaluated(tmp_path, capsys, monkeypatch):
    labeled = make_labeled()
    monkeypatch.setattr(evaluate_run, "read_levels", lambda folder, split, labeled: iter([labeled]))
    labeled.labels[:] = 0
    assert fit_calibration(tmp_path, "platt", "dev", {"dev": labeled}) is None
    assert "dev has no observation" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert evaluate_calibrated(make_labeled(), Calibration.fit("platt", "dev", [labeled])) is None


def test_a_level_that_was_not_fitted_is_refused():
    fitted = Calibration.fit("temperature", "dev", [make_labeled()])
    with pytest.raises(UserError, match="level study"):
        fitted.apply(np.zeros((1, 1)), ["Edema"], "study")


def test_no_file_says_how_to_get_one(tmp_path):
    with pytest.raises(UserError, match=r"data\.dev"):
        Calibration.read(tmp_path / "calibration.json")


def test_a_run_without_one_is_reported_with_a_hint(tmp_path):
    with pytest.raises(UserError) as caught:
        Calibration.read(tmp_path / "calibration.json")
    assert caught.value.where == str(tmp_path / "calibration.json")
    assert "data.dev=0.1" in caught.value.hint
    assert "Errno" not in str(caught.value)
