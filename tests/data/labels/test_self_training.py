"""Targets from a first run's predictions."""

import re

import numpy as np
import pandas as pd
import pytest

from chexpert.data import LabelPolicy
from chexpert.data.labels.self_training import find_predictions
from chexpert.errors import UserError
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]
KEYS = [f"train/patient{n:05d}/study1/view1_frontal" for n in range(4)]


@pytest.fixture
def run(tmp_path):
    """A run folder with predictions .0n and .1n on view n, in the full copy's spelling and another order."""
    rows = [(f"CheXpert-v1.0/{KEYS[n]}.jpg", [n / 100, 0.1 + n / 100]) for n in (3, 1, 0, 2)]
    run_files.write_predictions(run_files.predictions(tmp_path, "train"), NAMES, rows)
    return tmp_path


@pytest.fixture
def frame():
    labels = np.array([[-1, 1], [0, -1], [np.nan, np.nan], [-1, -1]], "float32")
    return pd.DataFrame(labels, columns=NAMES).assign(key=KEYS)


def rewrite(run, change):
    """Changes the predictions, and returns their file."""
    file = run_files.predictions(run, "train")
    file.write_text(change(file.read_text()))
    return file


def drop(run, patient):
    """Leaves out a patient and the last observation."""
    return rewrite(run, lambda text: re.sub(r",[^,]*$", "", re.sub(f".*{patient}.*\n", "", text), flags=re.M))


def test_uncertain_labels_become_the_predictions_of_their_own_view(run, frame):
    targets, mask, _ = LabelPolicy("self_trained", predictions=run).apply(frame, NAMES)
    assert targets.tolist() == np.array([[0, 1], [0, 0.11], [0, 0], [0.03, 0.13]], "float32").tolist()
    assert mask.all()


def test_blank_labels_can_be_taught_too(run, frame):
    targets, _, _ = LabelPolicy("zeros", blank="self_trained", predictions=run).apply(frame, NAMES)
    assert targets[2].tolist() == pytest.approx([0.02, 0.12])


def test_columns_are_found_by_name(run, frame):
    turned, _, _ = LabelPolicy("self_trained", predictions=run).apply(frame, NAMES[::-1])
    straight, _, _ = LabelPolicy("self_trained", predictions=run).apply(frame, NAMES)
    assert (turned[:, ::-1] == straight).all()


def test_only_the_observations_and_views_that_are_asked_for_must_be_there(run, frame):
    file = drop(run, "patient00002")
    policy = LabelPolicy({"default": "zeros", "Edema": "self_trained"}, predictions=file)
    assert policy.apply(frame, NAMES)[0][3].tolist() == pytest.approx([0.03, 0])


def test_a_view_that_the_first_run_could_not_read_is_masked(run, frame):
    file = rewrite(run, lambda text: re.sub(".*patient00003.*\n", "", text))
    run_files.write_json(run / run_files.METRICS, {"skipped": [f"CheXpert-v1.0/{KEYS[3]}.jpg"]})
    targets, mask, _ = LabelPolicy("self_trained", predictions=file).apply(frame, NAMES)
    assert mask.tolist() == [[True, True]] * 3 + [[False, False]]
    assert targets[:2].tolist() == np.array([[0, 1], [0, 0.11]], "float32").tolist()


def test_missing_views_and_observations_are_told_in_one_message(run, frame):
    file = drop(run, "patient00003")
    with pytest.raises(UserError) as caught:
        LabelPolicy("self_trained", predictions=file).apply(frame, NAMES)
    assert "no column 'Fracture'; 1 of 3 views are not there, the first: patient00003_study1_view1" in str(caught.value)
    assert "predict_train=true" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.13", "1.3", "not all predictions are probabilities"),
        ("0.13", "", "not all predictions are probabilities"),
        ("0.13", "high", "not all predictions are probabilities"),
        ("Path", "View", "cannot be read"),
        ("patient00002", "patient00001", "stands twice: patient00001"),
    ],
)
def test_a_spoilt_file_is_refused(run, frame, old, new, message):
    rewrite(run, lambda text: text.replace(old, new))
    with pytest.raises(UserError, match=message):
        LabelPolicy("self_trained", predictions=run).apply(frame, NAMES)


def test_a_run_folder_or_a_file_is_taken(run):
    file = run_files.predictions(run, "train")
    assert find_predictions(run) == find_predictions(str(file)) == file


@pytest.mark.parametrize("predictions", [None, "no/such/run"])
def test_without_predictions_the_mend_is_told(predictions):
    (error,) = LabelPolicy.validate_args("self_trained", predictions=predictions)
    assert "predict_train=true" in error
