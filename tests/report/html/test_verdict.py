"""Two sentences, to the letter, and which of the warnings comes first."""

import pytest

from chexpert.report.html.verdict import find_warnings, summarize_in_two
from chexpert.report.run_data import RunData


def interval(value, low, high):
    return {"value": value, "ci_low": low, "ci_high": high, "positives": 30, "negatives": 70}


NOTHING = {"value": None, "ci_low": None, "ci_high": None, "positives": 0, "negatives": 100}


@pytest.fixture
def run_data(tmp_path):
    split = {"level": "study", "n": 100, "labels": "valid.csv", "auroc": {}}
    content = {
        "level": "study", "views": "max", "n": 100, "studies": 100, "bootstrap": {"replicates": 1000, "seed": 0},
        "auroc": {"Edema": interval(0.9, 0.8, 0.95), "Fracture": interval(0.7, 0.6, 0.8)},
        "auroc_mean": {"value": 0.8, "ci_low": 0.75, "ci_high": 0.85, "over": ["Edema", "Fracture"]},
        "calibration": {name: {"ece": interval(0.03, 0.02, 0.06)} for name in ("Edema", "Fracture")}, "groups": {},
    }  # fmt: skip
    return RunData(tmp_path, {"valid": split, "epoch_chosen_on": "valid"}, evaluations={"valid": content})


def test_a_sound_run_names_its_mean_and_its_weakest(run_data):
    assert summarize_in_two(run_data) == (
        "Mean AUROC over Edema, Fracture: 0.800 [0.750, 0.850] (valid split, studies (max over views), n = 100, labels "
        "of valid.csv); the epoch was chosen on this same valid split, so the value is optimistic.",
        "The weakest is Fracture: AUROC 0.700 [0.600, 0.800], 30 positive, 70 negative.",
    )


def test_the_gravest_warning_comes_first(run_data):
    content = run_data.evaluations["valid"]
    content["calibration"]["Edema"]["ece"] = interval(0.2, 0.1, 0.3)
    gap = {"observation": "Edema", "high": "Male", "low": "Female", "compared": 4, **interval(0.2, 0.1, 0.3)}
    content["groups"] = {"sex": {"largest_gap": gap}}
    content["auroc"] |= {"Pneumonia": NOTHING, "Fracture": interval(0.6, 0.4, 0.8)}
    insane = {"control": False, "sanity": {"passed": False}, "observations": {}}
    control = insane | {"control": True}
    run_data.quality = {"explainers": {"random": control, "lime": insane}}
    run_data.state = {"state": "failed"}
    assert list(find_warnings(run_data)) == [
        "The run failed before it was done: this page shows the files that it had written by then.",
        "Not evaluated, as the valid split lacks a class, so that AUROC is undefined: Pneumonia (0 positive, "
        "100 negative).",
        "Not shown to be ranked better than by chance on the valid split: Fracture (AUROC 0.600 [0.400, 0.800], "
        "30 positive, 70 negative).",
        "Maps by lime are no evidence: maps stay alike when the weights are shuffled.",
        "Raw scores cannot be read as probabilities, Edema's least of all: expected calibration error 0.200 "
        "[0.100, 0.300] on the valid split.",
        "Largest gap in AUROC by sex, of 4 compared: Edema, Male above Female by 0.200 [0.100, 0.300] (valid split).",
    ]
    assert summarize_in_two(run_data)[1] == next(find_warnings(run_data))


def test_without_intervals_no_mean_is_reported(run_data):
    run_data.metrics["valid"] |= {"auroc": {"Edema": {"value": 0.9, "positives": 3, "negatives": 4}}, "auroc_mean": 0.9}
    run_data.evaluations.clear()
    assert summarize_in_two(run_data) == (
        "No mean AUROC is reported, as it has no interval yet (valid split, studies (max over views), n = 100, labels "
        "of valid.csv); the epoch was chosen on this same valid split, so the value is optimistic.",
        "The weakest is Edema: AUROC 0.900, no interval, 3 positive, 4 negative.",
    )
