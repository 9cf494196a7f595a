"""The prediction sets of a run: fitted, stored, applied, and evaluated on other rows."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.errors import raises
from helpers.report_runs import CONFIG, OBSERVATIONS, make_run

from chexpert.evaluation import LabeledScores, PredictionSets, evaluate_sets, read_predictions, read_run
from chexpert.evaluation.groups import has_few_patients
from chexpert.evaluation.prediction_sets import find_shortage, select_rows
from chexpert.evaluation.run import evaluate_run
from chexpert.metrics import conformal_p_values, find_patient, prediction_sets
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]


def make_labeled(rows=200, positives=5, level="study", seed=0, observations=NAMES):
    """One study a patient; Edema is shown by half of the rows, Fracture by few."""
    rng = np.random.default_rng(seed)
    labels = np.column_stack([np.arange(rows) % 2, np.arange(rows) < positives]).astype(float)
    scores = rng.normal(labels)
    names = [f"valid/patient{n:05d}/study1" for n in range(rows)]
    groups = {"sex": [("Female", "Male", "")[n % 3] for n in range(rows)]}
    return LabeledScores(names, np.arange(rows), observations, scores, labels, level, "max", groups)


def test_written_sets_are_read_and_are_those_of_the_p_values(tmp_path):
    fitted = PredictionSets.fit("dev", [make_labeled(positives=40), make_labeled(level="image")])
    fitted.write(tmp_path / "prediction_sets.json")
    read = PredictionSets.read(tmp_path / "prediction_sets.json")
    assert read == fitted
    labeled, new = make_labeled(positives=40), np.random.default_rng(1).normal(size=(50, 2))
    found = read.apply(new, NAMES[::-1], "study", 0.1)
    for name, column in zip(NAMES[::-1], new.T, strict=True):
        c = NAMES.index(name)
        p_values = conformal_p_values(column, labeled.scores[:, c], labeled.labels[:, c])
        assert found[name] == prediction_sets(p_values, 0.1).tolist()
    text = (tmp_path / "prediction_sets.json").read_text()
    assert "patient" not in text


@pytest.mark.parametrize(("positives", "rate", "guarded"), [(5, 0.1, True), (9, 0.1, False), (8, 0.1, True)])
def test_a_rare_class_has_no_set_but_its_count(positives, rate, guarded):
    found = PredictionSets.fit("dev", [make_labeled(positives=positives)]).apply(np.zeros((3, 2)), NAMES, "study", rate)
    assert set(found["Edema"]) <= {"present", "absent", "both", "neither"}
    assert (found["Fracture"] == [f"none ({positives} patients present, 9 needed)"] * 3) == guarded


def test_no_set_of_any_observation_is_an_error():
    fitted = PredictionSets.fit("dev", [make_labeled(rows=8)])
    with raises("too-few", "prediction_sets.json") as caught:
        fitted.apply(np.zeros((3, 2)), NAMES, "study", 0.1)
    assert "4 patients present and 4 patients absent, 9 needed" in caught.value.message
    rate = float(re.search(r"--sets ([0-9.]+)", caught.value.hint)[1])
    assert fitted.apply(np.zeros((3, 2)), NAMES, "study", rate)
    with raises("too-few", "prediction_sets.json") as caught:
        PredictionSets.fit("dev", [make_labeled(rows=2)]).apply(np.zeros((3, 2)), NAMES, "study", 0.4)
    assert "--sets" not in caught.value.hint


def test_unlabeled_observation_has_no_set():
    labeled = make_labeled()
    labeled.labels[:, 1] = math.nan
    missing = PredictionSets.fit("dev", [labeled]).list_missing(NAMES, "study", 0.1)
    assert missing == {"Fracture": "0 patients present and 0 patients absent, 9 needed"}


def test_levels_and_observations_that_were_not_fitted_are_errors():
    fitted = PredictionSets.fit("dev", [make_labeled()])
    with raises("other-calibration", "prediction_sets.json"):
        fitted.apply(np.zeros((1, 2)), NAMES, "image", 0.1)
    with raises("other-observations", "prediction_sets.json") as caught:
        fitted.apply(np.zeros((1, 2)), ["Edema", "Pneumonia"], "study", 0.1)
    assert "Pneumonia" in caught.value.message


def test_missing_file_is_an_error(tmp_path):
    with raises("missing-calibration", tmp_path / "prediction_sets.json"):
        PredictionSets.read(tmp_path / "prediction_sets.json")


@pytest.mark.parametrize("change", [
    {"levels": []}, {"levels": {"image": {"Edema": {"absent": {"rows": 30, "scores": [0.1]}}}}}, {"more": 1},
    {"levels": {"image": {"Edema": {kind: {"rows": 1, "scores": [None]} for kind in ("absent", "present")}}}},
])  # fmt: skip
def test_damaged_file_is_an_error(tmp_path, change):
    path = tmp_path / "prediction_sets.json"
    PredictionSets.fit("dev", [make_labeled()]).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with raises("damaged-file", path):
        PredictionSets.read(path)


def select(names):
    """Names of one row a patient."""
    (rows,) = select_rows(names, np.ones((1, len(names)), bool))
    return [names[row] for row in rows]


def test_one_row_a_patient_counts_whatever_its_score_and_place():
    names = [f"valid/patient{n:05d}/study{s}/view{v}_frontal.jpg" for n in range(30) for s in (1, 2) for v in (1, 2)]
    chosen = select(names)
    assert len(chosen) == len({find_patient(name) for name in chosen}) == 30
    assert {*select(names[::-1])} == {*chosen}
    copied = [name.replace("valid/", "CheXpert-v1.0-small/valid/") for name in names]
    assert select(copied) == [name.replace("valid/", "CheXpert-v1.0-small/valid/") for name in chosen]
    assert len({name[-17:] for name in chosen}) > 1  # not always the first view
    assert select(["a.png", "b.png"]) == ["a.png", "b.png"]


def test_a_patient_counts_once_in_each_class():
    labeled = make_labeled(rows=4)
    names = ["patient1/study1", "patient1/study2", "patient1/study3", "patient2/study1"]
    labels = np.array([[1.0], [0], [1], [1]])
    one = LabeledScores(names, np.arange(4), ["Edema"], labeled.scores[:, :1], labels, "study", "max")
    bounds = PredictionSets.fit("dev", [one]).levels["study"]["Edema"]
    assert (bounds["present"]["rows"], bounds["absent"]["rows"]) == (2, 1)
    assert find_shortage(bounds, 0.4) == "1 patient absent, 2 needed"


@pytest.mark.parametrize(("name", "patient"), [
    ("CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg", "patient64541"), ("Patient2/Study1", "patient2"),
    ("p10/p10000032/s50414267/a.dcm", "p10000032"), ("s50414267", "s50414267"), ("ward/image.png", "ward/image.png"),
])  # fmt: skip
def test_patient_of_a_name(name, patient):
    assert find_patient(name) == patient


def test_coverage_and_size_match_a_count_by_hand():
    """Of the sets p-values give, over rows with a label, in all rows and in a part."""
    fitted_on, labeled = make_labeled(positives=40, seed=1), make_labeled(positives=40, seed=2)
    labeled.labels[7:20, 0] = math.nan
    found = evaluate_sets(labeled, PredictionSets.fit("dev", [fitted_on]), group_by=["sex"])
    assert found["fitted_on"] == "dev"
    assert found["calibration"] == {
        "Edema": {"absent": 100, "present": 100},
        "Fracture": {"absent": 160, "present": 40},
    }
    p_values = conformal_p_values(labeled.scores[:, 0], fitted_on.scores[:, 0], fitted_on.labels[:, 0])
    known, male = np.isfinite(labeled.labels[:, 0]), np.array(labeled.groups["sex"]) == "Male"
    for rows, rate, own in (
        (known, 0.05, found["error_rates"]["0.05"]["Edema"]),
        (known, 0.2, found["error_rates"]["0.2"]["Edema"]),
        (known & male, 0.1, found["groups"]["sex"]["Male"]["observations"]["Edema"]),
    ):
        sets, labels = prediction_sets(p_values[rows], rate), labeled.labels[rows, 0]
        assert own["n"] == rows.sum()
        for kind, label in (("present", 1), ("absent", 0)):
            covered = np.isin(sets[labels == label], [kind, "both"])
            assert own["coverage"][kind]["value"] == pytest.approx(covered.mean())
            assert own["coverage"][kind]["ci_low"] < covered.mean() < own["coverage"][kind]["ci_high"]
            assert own["coverage"][kind]["n"] == (labels == label).sum()
        assert own["size"]["value"] == pytest.approx(np.mean([{"both": 2, "neither": 0}.get(one, 1) for one in sets]))
        assert own["shares"] == pytest.approx({one: (sets == one).mean() for one in own["shares"]})
    assert set(found["groups"]["sex"]) == {"Female", "Male"}
    assert found["groups"]["sex"]["Male"]["patients"] == male.sum()  # one study a patient


def test_parts_of_sets_count_patients_and_not_rows():
    labeled = make_labeled()
    names = [f"valid/patient{n % 7:05d}/study{n}" for n in range(len(labeled.names))]
    parts = evaluate_sets(replace(labeled, names=names), PredictionSets.fit("dev", [labeled]), group_by=["sex"])
    assert {part: own["patients"] for part, own in parts["groups"]["sex"].items()} == {"Female": 7, "Male": 7}
    assert all(map(has_few_patients, parts["groups"]["sex"].values()))


def test_guarded_observation_has_no_coverage():
    found = evaluate_sets(make_labeled(seed=2), PredictionSets.fit("dev", [make_labeled()]))
    assert found["error_rates"]["0.1"]["Fracture"] == {"why": "5 patients present, 9 needed"}
    assert found["error_rates"]["0.2"]["Fracture"]["why"] is None


def test_class_without_rows_has_no_coverage():
    labeled = make_labeled(seed=2, positives=0)
    found = evaluate_sets(labeled, PredictionSets.fit("dev", [make_labeled(positives=40)]))
    own = found["error_rates"]["0.1"]["Fracture"]
    assert math.isnan(own["coverage"]["present"]["value"])
    assert own["coverage"]["absent"]["n"] == 200


def test_level_that_was_not_fitted_is_not_evaluated():
    assert evaluate_sets(make_labeled(), PredictionSets.fit("dev", [make_labeled(level="image")])) is None


def test_a_run_keeps_its_sets_and_evaluates_them_elsewhere(tmp_path):
    run = make_run(tmp_path)
    sets = PredictionSets.read(run / run_files.PREDICTION_SETS)
    assert (sets.fitted_on, sets.views, set(sets.levels)) == ("dev", "max", {"image", "study"})
    valid, dev = (json.loads(run_files.evaluation(run, split).read_text()) for split in ("valid", "dev"))
    assert "prediction_sets" not in dev
    assert valid["prediction_sets"] == json.loads(
        json.dumps(evaluate_sets(read_run(run, "valid", "image"), sets, 3, ["sex", "age", "view", "ap_pa"]))
    )
    assert set(valid["prediction_sets"]["error_rates"]["0.1"]) == set(OBSERVATIONS)


def test_a_run_without_a_development_split_keeps_no_sets(tmp_path):
    run = make_run(tmp_path)
    (run / run_files.PREDICTION_SETS).unlink()
    metrics = json.loads((run / run_files.METRICS).read_text())
    metrics.pop("dev")
    (run / run_files.METRICS).write_text(json.dumps(metrics))
    evaluate_run(run, CONFIG)
    assert not (run / run_files.PREDICTION_SETS).exists()
    assert "prediction_sets" not in json.loads(run_files.evaluation(run, "valid").read_text())


def test_columns_of_sets_are_passed_over_with_a_note(tmp_path, capsys):
    path = tmp_path / "predictions.csv"
    path.write_text("Path,Edema,Edema set\na.png,0.5,both\nb.png,0.25,none (5 present; 9 needed)\n")
    assert read_predictions(path).columns["Edema"].tolist() == [0.5, 0.25]
    assert "Edema set" in capsys.readouterr().err
    path.write_text("Path,Edema,Edema seat\na.png,0.5,both\n")
    with raises("unknown-observation", f"{path}, line 1"):
        read_predictions(path)
