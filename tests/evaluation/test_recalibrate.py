"""Thresholds and calibration on a few expert labels: remedies, what is written, and input that cannot be used."""

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers.errors import raises
from helpers.recalibrated_runs import make_run

from chexpert.evaluation import Calibration, Thresholds
from chexpert.evaluation.recalibrate import recalibrate
from chexpert.evaluation.remedies import Given, cross_validate, measure_decisions, number_patients, split_patients
from chexpert.metrics.calibration import calibrate, fit_platt
from chexpert.metrics.operating_point import get_rule
from chexpert.metrics.prior_shift import adjust_prevalence
from chexpert.metrics.resampling import sample_studies
from chexpert.report.text.recalibration import describe_recalibration
from chexpert.runs import files as run_files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def labels(run):
    return run_files.labels(run, "valid")


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def make_given(n=80, seed=0, **changed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(float)
    scores = 1 / (1 + np.exp(-(2 * labels - 1 + rng.normal(size=n))))
    given = {"studies": np.arange(n), "patients": np.arange(n) // 2, "method": "platt"}
    given |= {"fitted": {"slope": 1.0, "intercept": 0.0}, "thresholds": {"youden": 0.5}, "before": 0.3}
    return Given(**{"scores": scores, "labels": labels} | given | changed)


def test_shares_are_counted_by_hand():
    given = make_given(6, labels=np.array([1.0, 1, 1, 0, 0, 0]))
    decisions = np.array([True, True, False, True, False, False])
    found = measure_decisions(given, decisions, sample_studies(6, 200))
    assert [found[name]["value"] for name in found] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2 / 3])
    found = measure_decisions(given, np.zeros(6, bool), sample_studies(6, 200))
    assert found["sensitivity"]["value"] == 0
    assert found["sensitivity"]["ci_high"] == pytest.approx(1 - 0.025 ** (1 / 3))  # of three positives
    assert np.isnan(found["ppv"]["value"])


def test_cross_validation_decides_by_other_patients_alone():
    given = make_given()
    folds = split_patients(given, 0)
    assert all(len(set(folds[given.patients == patient])) == 1 for patient in set(given.patients))
    probabilities, decisions = cross_validate(given, 0)
    for row in (0, 17, 79):
        others = folds != folds[row]
        scores, truth = given.scores[others], given.labels[others]
        assert not set(given.patients[others]) & {given.patients[row]}
        assert probabilities[row] == calibrate(given.scores[row], fit_platt(scores, truth))
        assert decisions["youden"][row] == (given.scores[row] >= get_rule("youden")(scores, truth))


def test_label_of_a_row_does_not_change_its_own_decision():
    given = make_given()
    flipped = given.labels.copy()
    flipped[4] = 1 - flipped[4]
    folds = split_patients(given, 0)
    other = make_given(labels=flipped)
    if (split_patients(other, 0) == folds).all():
        assert cross_validate(other, 0)[0][4] == cross_validate(given, 0)[0][4]


def test_patients_are_read_from_names():
    assert number_patients(["patient2/study1", "patient10/study1", "patient2/study9", "s1"]).tolist() == [1, 0, 1, 2]


def test_failure_and_remedies_on_shifted_labels(run, labels):
    found = recalibrate(run, labels, replicates=200)
    edema = found.report["observations"]["Edema"]["remedies"]
    asis, refitted = edema["as_is"]["rules"]["youden"], edema["refit"]["rules"]["youden"]
    assert asis["sensitivity"]["value"] < 0.75 < refitted["sensitivity"]["value"]
    assert refitted["threshold"] < asis["threshold"]
    interval = refitted["threshold_interval"]
    assert interval["ci_low"] <= interval["value"] <= interval["ci_high"]
    assert edema["refit"]["brier"]["value"] < edema["as_is"]["brier"]["value"]
    rows, truth = read(run_files.predictions(run, "valid")), read(labels)
    scores, known = (np.array([float(row["Edema"]) for row in table]) for table in (rows, truth))
    assert refitted["threshold"] == get_rule("youden")(scores, known)
    assert asis["sensitivity"]["value"] == pytest.approx((scores[known == 1] >= asis["threshold"]).mean())
    assert found.calibration.levels["study"]["Edema"] == fit_platt(scores, known)
    assert found.thresholds.levels["study"]["Edema"]["positives"] == known.sum()


def test_rare_observation_is_left_as_it_is_and_named(run, labels, tmp_path):
    found = recalibrate(run, labels, replicates=20)
    assert found.report["left_as_is"] == ["Fracture"]
    before = Calibration.read(run / "calibration.json"), Thresholds.read(run / "thresholds.json")
    for level in ("image", "study"):
        assert found.calibration.levels[level]["Fracture"] == before[0].levels[level]["Fracture"]
        assert found.thresholds.levels[level]["Fracture"] == before[1].levels[level]["Fracture"]
    assert (found.thresholds.labels, found.thresholds.chosen_on) == ("report", "recalibration")
    kinds = {name: own.get("labels") for name, own in found.thresholds.levels["study"].items()}
    assert kinds == {"Edema": "given", "Cardiomegaly": "given", "Fracture": None}
    assert found.calibration.of == found.sets.of == before[0].digest
    found.write(tmp_path)
    assert Calibration.read(tmp_path / "calibration.json") == found.calibration
    assert json.loads((tmp_path / "recalibration.json").read_text())["left_as_is"] == ["Fracture"]
    text = describe_recalibration(found.report)
    assert "Fracture" in text.partition("left as is (")[2]


def test_labels_are_given_ones_where_all_is_refitted(run, labels, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    for name, kind in (("thresholds.json", Thresholds), ("calibration.json", Calibration)):
        own = kind.read(folder / name)
        levels = {level: {"Edema": found["Edema"]} for level, found in own.levels.items()}
        replace(own, levels=levels).write(folder / name)
    found = recalibrate(folder, labels, replicates=20).thresholds
    assert found.labels == "given"
    assert "labels" not in found.levels["study"]["Edema"]


def test_prior_shift_keeps_kind_and_counts_of_the_labels(run, labels):
    before = Thresholds.read(run / "thresholds.json")
    given = {"Edema": 0.2, "Fracture": 0.02}
    found = recalibrate(run, labels, prevalence=given, write="prior_shift", replicates=20)
    assert (found.thresholds.labels, found.sets) == ("report", None)
    assert found.report["left_as_is"] == []
    for level, observations in found.thresholds.levels.items():
        for name, own in observations.items():
            old = before.levels[level][name]
            assert own == old | {"thresholds": own["thresholds"]}
            assert own["thresholds"] != old["thresholds"]


def write_absent(run, labels, folder):
    """Scores of 0 of Edema, so that its estimated prevalence is 0."""
    rows = [[row["Path"], "0.0001", row["Fracture"]] for row in read(run_files.predictions(run, "valid"))]
    run_files.write_table(folder / "p.csv", ["Path", "Edema", "Fracture"], rows)
    return folder / "p.csv"


def test_prior_shift_that_is_not_possible_is_listed_or_an_error(run, labels, tmp_path):
    predictions = write_absent(run, labels, tmp_path)
    options = {"predictions": predictions, "write": "prior_shift", "replicates": 20}
    found = recalibrate(run, labels, prevalence={"Fracture": 0.1}, **options)
    assert found.report["left_as_is"] == ["Edema"]
    assert (
        found.thresholds.levels["study"]["Edema"] == Thresholds.read(run / "thresholds.json").levels["study"]["Edema"]
    )
    assert "Edema" in describe_recalibration(found.report).partition("left as is (")[2]
    only = write_labels(tmp_path / "l.csv", [row["Path"] for row in read(labels)])
    with raises("too-few", only):
        recalibrate(run, only, **options)
    assert recalibrate(run, only, prevalence={"Edema": 0.2}, **options).report["left_as_is"] == []


def test_training_patients_are_refused_where_they_are_known(run, labels, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    with caplog.at_level("INFO"):
        recalibrate(folder, labels, replicates=20)
    train = run_files.predictions(folder, "train")
    assert [str(train) in record.message for record in caplog.records].count(True) == 1
    caplog.clear()
    shutil.copy(run_files.predictions(folder, "valid"), train)
    train.write_text(train.read_text().replace("patient64541", "patient9").replace("/study1/", "/study7/"))
    with raises("shared-patients", f"{labels}: patient64542"):
        recalibrate(folder, labels, replicates=20)
    train.write_text("\n".join(train.read_text().splitlines()[:2]) + "\n")
    with caplog.at_level("INFO"):
        recalibrate(folder, labels, replicates=20)
    assert not [record for record in caplog.records if str(train) in record.message]


def test_given_prevalence_shifts_the_log_odds_and_nothing_else(run, labels):
    found = recalibrate(run, labels, prevalence={"Edema": 0.1}, write="prior_shift", replicates=20)
    own, before = found.calibration.levels["study"]["Edema"], Calibration.read(run / "calibration.json")
    old = before.levels["study"]["Edema"]
    counts = Thresholds.read(run / "thresholds.json").levels["study"]["Edema"]
    share = counts["positives"] / (counts["positives"] + counts["negatives"])
    scores = np.linspace(0.01, 0.99, 9)
    assert calibrate(scores, own) == pytest.approx(adjust_prevalence(calibrate(scores, old), share, 0.1))
    assert found.report["observations"]["Edema"]["remedies"]["prior_shift"]["prevalence"] == 0.1


def test_labels_do_not_change_the_prior_shift(run, labels, tmp_path):
    other = tmp_path / "other.csv"
    header, *lines = labels.read_text().splitlines()
    swapped = [re.sub(r",([01])\.0", lambda match: f",{1 - int(match[1])}.0", line) for line in lines]
    other.write_text("\n".join([header, *swapped]) + "\n")
    first, second = (
        recalibrate(run, path, replicates=20).report["observations"]["Cardiomegaly"]["remedies"]["prior_shift"]
        for path in (labels, other)
    )
    assert first["prevalence"] == second["prevalence"]
    thresholds = [[own["threshold"] for own in remedy["rules"].values()] for remedy in (first, second)]
    assert thresholds[0] == thresholds[1]


def test_predictions_may_be_given_and_labels_may_be_of_studies(run, labels, tmp_path):
    studies = tmp_path / "studies.csv"
    rows = read(labels)
    run_files.write_table(studies, ["Study", "Edema"], [[row["Path"].rpartition("/")[0], row["Edema"]] for row in rows])
    found = recalibrate(run, studies, predictions=run_files.predictions(run, "valid"), replicates=20)
    assert list(found.calibration.levels) == ["study"]
    assert found.report["observations"].keys() == {"Edema"}
    expected = recalibrate(run, labels, replicates=20).calibration.levels["study"]["Edema"]
    assert found.calibration.levels["study"]["Edema"] == expected


def write_labels(path, names, observation="Edema", labels=("1", "0")):
    run_files.write_table(path, ["Path", observation], [[name, labels[n % 2]] for n, name in enumerate(names)])
    return path


def test_labels_that_cannot_be_used_are_errors(run, labels, tmp_path):
    views = [row["Path"] for row in read(labels)]
    dev = [row["Path"] for row in read(run_files.labels(run, "dev"))]
    path = tmp_path / "l.csv"
    with raises("too-few", path):
        recalibrate(run, write_labels(path, views[:8]))
    with raises("shared-patients", f"{path}: patient00001"):
        recalibrate(run, write_labels(path, dev[:40]))
    with raises("no-overlap", path):
        recalibrate(run, write_labels(path, ["CheXpert-v1.0/test/patient64999/study1/view1_frontal.jpg"]))
    with raises("no-overlap", f"{run_files.predictions(run, 'valid')} and {path}"):
        recalibrate(run, write_labels(path, views, "Pneumonia"))


@pytest.mark.parametrize("value", [0.0, 1.0, 1.5, -0.2])
def test_prevalence_outside_its_range_is_an_error(run, labels, value):
    with raises("value", f"--prevalence Edema={value:g}"):
        recalibrate(run, labels, prevalence={"Edema": value})
    with raises("unknown-observation", "--prevalence Pneumonia=0.2"):
        recalibrate(run, labels, prevalence={"Pneumonia": 0.2})


def test_run_without_a_development_split_is_an_error(run, labels, tmp_path):
    with raises("missing-calibration", tmp_path / "calibration.json"):
        recalibrate(tmp_path, labels)


def test_scores_that_are_no_probabilities_are_an_error(run, labels, tmp_path):
    path = tmp_path / "p.csv"
    write_labels(path, [row["Path"] for row in read(labels)], labels=("1.5", "-2"))
    with raises("not-probability", path):
        recalibrate(run, labels, predictions=path)
