"""What a run keeps of its calibration."""

import numpy as np
import pytest

from chexpert.errors import ProblemError
from chexpert.evaluation import Judged
from chexpert.evaluation import run as conclude
from chexpert.evaluation.calibration import Calibration, judge_calibrated
from chexpert.evaluation.run import fit_calibration

NAMES = ["Edema", "Fracture"]


def make_judged(level="image"):
    labels = np.array([[1, 0], [0, 0], [1, np.nan], [0, 0]])
    scores = np.array([[0.8, 0.1], [0.3, 0.2], [0.6, 0.3], [0.7, 0.4]])
    return Judged(list("abcd"), np.arange(4), NAMES, scores, labels, level, "max")


def test_it_is_read_as_it_was_written_and_applied_by_name(tmp_path):
    fitted = Calibration.fit("platt", "dev", [make_judged(), make_judged("study")])
    fitted.write(tmp_path / "calibration.json")
    read = Calibration.read(tmp_path / "calibration.json")
    assert read == fitted
    scores = np.array([[0.5], [0.9]])
    for level in ("image", "study"):
        assert read.apply(scores, ["Edema"], level).tolist() == fitted.apply(scores, ["Edema"], level).tolist()


def test_an_observation_without_positives_is_not_guessed():
    fitted = Calibration.fit("isotonic", "dev", [make_judged()])
    assert fitted.levels["image"]["Fracture"] is None
    with pytest.raises(ProblemError, match="no calibration of Fracture at level image"):
        fitted.apply(np.zeros((1, 2)), NAMES, "image")


def test_where_nothing_could_be_fitted_no_calibration_is_left_nor_judged(tmp_path, capsys, monkeypatch):
    judged = make_judged()
    monkeypatch.setattr(conclude, "read_levels", lambda folder, split, judged: iter([judged]))
    judged.labels[:] = 0
    assert fit_calibration(tmp_path, "platt", "dev", {"dev": judged}) is None
    assert "dev has no observation" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert judge_calibrated(make_judged(), Calibration.fit("platt", "dev", [judged])) is None


def test_a_level_that_was_not_fitted_is_refused():
    fitted = Calibration.fit("temperature", "dev", [make_judged()])
    with pytest.raises(ProblemError, match="level study"):
        fitted.apply(np.zeros((1, 1)), ["Edema"], "study")


def test_no_file_says_how_to_get_one(tmp_path):
    with pytest.raises(ProblemError, match=r"data\.dev"):
        Calibration.read(tmp_path / "calibration.json")


def test_a_run_without_one_is_told_what_to_do(tmp_path):
    with pytest.raises(ProblemError) as caught:
        Calibration.read(tmp_path / "calibration.json")
    assert caught.value.where == str(tmp_path / "calibration.json")
    assert "data.dev=0.1" in caught.value.mend
    assert "Errno" not in str(caught.value)
