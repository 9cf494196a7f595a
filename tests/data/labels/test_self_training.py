"""Targets from the predictions of a first run."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers.errors import raises

from chexpert.data import LabelPolicy
from chexpert.data.labels.self_training import find_predictions
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]
KEYS = [f"train/patient{n:05d}/study1/view1_frontal" for n in range(4)]


@pytest.fixture
def run(tmp_path):
    """A run folder with predictions .0n and .1n on view n, with other paths and in another order."""
    rows = [(f"CheXpert-v1.0/{KEYS[n]}.jpg", [n / 100, 0.1 + n / 100]) for n in (3, 1, 0, 2)]
    run_files.write_predictions(run_files.predictions(tmp_path, "train"), NAMES, rows)
    return tmp_path


@pytest.fixture
def frame():
    labels = np.array([[-1, 1], [0, -1], [np.nan, np.nan], [-1, -1]], "float32")
    return pd.DataFrame(labels, columns=NAMES).assign(key=KEYS)


def rewrite(run, change):
    """Change the predictions; return their file."""
    file = run_files.predictions(run, "train")
    file.write_text(change(file.read_text()))
    return file


def drop(run, patient):
    """Remove a patient and the last observation."""
    return rewrite(run, lambda text: re.sub(r",[^,]*$", "", re.sub(f".*{patient}.*\n", "", text), flags=re.M))


def test_uncertain_labels_become_predictions_of_the_same_view(run, frame):
    targets, mask, _ = LabelPolicy("self_trained", predictions=run).apply(frame, NAMES)
    assert targets.tolist() == np.array([[0, 1], [0, 0.11], [0, 0], [0.03, 0.13]], "float32").tolist()
    assert mask.all()


def test_blank_labels_can_become_predictions(run, frame):
    targets, _, _ = LabelPolicy("zeros", blank="self_trained", predictions=run).apply(frame, NAMES)
    assert targets[2].tolist() == pytest.approx([0.02, 0.12])


def test_predictions_are_matched_by_column_name(run, frame):
    turned, _, _ = LabelPolicy("self_trained", predictions=run).apply(frame, NAMES[::-1])
    straight, _, _ = LabelPolicy("self_trained", predictions=run).apply(frame, NAMES)
    assert (turned[:, ::-1] == straight).all()


def test_unused_observations_and_views_can_be_missing(run, frame):
    file = drop(run, "patient00002")
    policy = LabelPolicy({"default": "zeros", "Edema": "self_trained"}, predictions=file)
    assert policy.apply(frame, NAMES)[0][3].tolist() == pytest.approx([0.03, 0])


def test_view_skipped_by_the_first_run_is_masked(run, frame):
    file = rewrite(run, lambda text: re.sub(".*patient00003.*\n", "", text))
    run_files.write_json(run / run_files.METRICS, {"skipped": [f"CheXpert-v1.0/{KEYS[3]}.jpg"]})
    targets, mask, _ = LabelPolicy("self_trained", predictions=file).apply(frame, NAMES)
    assert mask.tolist() == [[True, True]] * 3 + [[False, False]]
    assert targets[:2].tolist() == np.array([[0, 1], [0, 0.11]], "float32").tolist()


def test_missing_views_and_observations_are_one_error(run, frame):
    file = drop(run, "patient00003")
    with raises("other-data", file) as caught:
        LabelPolicy("self_trained", predictions=file).apply(frame, NAMES)
    assert all(fact in caught.value.message for fact in ("Fracture", "1 of 3", "patient00003_study1_view1"))
    assert "predict_train=true" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("0.13", "1.3", "not-probability", ""),
        ("0.13", "", "not-probability", ""),
        ("0.13", "high", "not-probability", ""),
        ("Path", "View", "missing-column", ", line 1"),
        ("patient00002", "patient00001", "repeated", ""),
    ],
)
def test_damaged_predictions_are_an_error(run, frame, old, new, code, place):
    file = rewrite(run, lambda text: text.replace(old, new))
    with raises(code, f"{file}{place}"):
        LabelPolicy("self_trained", predictions=run).apply(frame, NAMES)


def test_predictions_can_be_a_run_folder_or_a_file(run):
    file = run_files.predictions(run, "train")
    assert find_predictions(run) == find_predictions(str(file)) == file


@pytest.mark.parametrize(("predictions", "code"), [(None, "missing-argument"), ("no/such/run", "missing-file")])
def test_missing_predictions_are_an_error(predictions, code):
    (error,) = LabelPolicy.validate_args("self_trained", predictions=predictions)
    assert (error.code, error.where) == (code, "labels.predictions")
    assert "predict_train=true" in error.hint
