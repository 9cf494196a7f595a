"""The two sentences above a report, and the order of the warnings."""

from pathlib import Path

from helpers.golden import check_golden

from chexpert.report.html.verdict import find_warnings, summarize_in_two
from chexpert.report.run_data import RunData


def interval(value, low, high):
    return {"value": value, "ci_low": low, "ci_high": high, "positives": 30, "negatives": 70}


NOTHING = {"value": None, "ci_low": None, "ci_high": None, "positives": 0, "negatives": 100}


def make_run_data(folder):
    split = {"level": "study", "n": 100, "labels": "valid.csv", "auroc": {}}
    content = {
        "level": "study", "views": "max", "n": 100, "studies": 100, "bootstrap": {"replicates": 1000, "seed": 0},
        "auroc": {"Edema": interval(0.9, 0.8, 0.95), "Fracture": interval(0.7, 0.6, 0.8)},
        "auroc_mean": {"value": 0.8, "ci_low": 0.75, "ci_high": 0.85, "over": ["Edema", "Fracture"]},
        "calibration": {name: {"ece": interval(0.03, 0.02, 0.06)} for name in ("Edema", "Fracture")}, "groups": {},
    }  # fmt: skip
    return RunData(folder, {"valid": split, "epoch_chosen_on": "valid"}, evaluations={"valid": content})


def make_with_warnings(folder):
    run_data = make_run_data(folder)
    content = run_data.evaluations["valid"]
    content["calibration"]["Edema"]["ece"] = interval(0.2, 0.1, 0.3)
    gap = {"observation": "Edema", "high": "Male", "low": "Female", "compared": 4, **interval(0.2, 0.1, 0.3)}
    content["groups"] = {"sex": {"largest_gap": gap}}
    content["auroc"] |= {"Pneumonia": NOTHING, "Fracture": interval(0.6, 0.4, 0.8)}
    insane = {"control": False, "sanity": {"passed": False}, "observations": {}}
    run_data.quality = {"explainers": {"random": insane | {"control": True}, "lime": insane}}
    run_data.state = {"state": "failed"}
    return run_data


def make_without_intervals(folder):
    run_data = make_run_data(folder)
    run_data.metrics["valid"] |= {"auroc": {"Edema": {"value": 0.9, "positives": 3, "negatives": 4}}, "auroc_mean": 0.9}
    run_data.evaluations.clear()
    return run_data


def test_gap_of_few_patients_is_no_warning(tmp_path):
    run_data = make_with_warnings(tmp_path)
    sex = run_data.evaluations["valid"]["groups"]["sex"]
    assert any("Female" in line for line in find_warnings(run_data))
    sex["rows"] = {"Female": {"n": 60, "patients": 9}, "Male": {"n": 60, "patients": 60}}
    assert not any("Female" in line for line in find_warnings(run_data))


def test_run_without_warnings_names_its_weakest_observation(tmp_path):
    run_data = make_run_data(tmp_path)
    assert list(find_warnings(run_data)) == []
    assert "Fracture" in summarize_in_two(run_data)[1]


def test_first_warning_is_the_second_sentence(tmp_path):
    run_data = make_with_warnings(tmp_path)
    assert summarize_in_two(run_data)[1] == next(find_warnings(run_data))


def test_sentences_have_values_intervals_and_counts(tmp_path):
    runs = {"no warning": make_run_data, "warnings": make_with_warnings, "no intervals": make_without_intervals}
    blocks = []
    for title, make in runs.items():
        run_data = make(tmp_path)
        first, second = summarize_in_two(run_data)
        blocks.append("\n".join([f"# {title}", first, second, *list(find_warnings(run_data))[1:], ""]))
    check_golden("\n".join(blocks), Path(__file__).parent / "golden/verdict.txt")
