"""An evaluation as text: every metric with its interval and evaluation setting."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.golden import check_golden

from chexpert.evaluation import LabeledScores, choose_operating_points, evaluate
from chexpert.report import describe_evaluation
from chexpert.report.text.evaluation import describe_gap

NAMES = ["Edema", "Fracture"]


@pytest.fixture(scope="module")
def labeled():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 2)) < 0.4).astype("float64")
    scores = (2 * rng.random((120, 2)) + labels) / 3
    names = [f"s{row}" for row in range(120)]
    groups, lost = {"sex": ["Female", "Male"] * 60}, {"predictions": [], "labels": [f"t{row}" for row in range(7)]}
    return LabeledScores(names, np.arange(120), NAMES, scores, labels, "study", "max", groups, lost)


def list_rows(text, name):
    return [line.split() for line in text.splitlines() if line.startswith(name)]


def test_every_metric_has_its_interval_below_the_setting(labeled):
    points = choose_operating_points(labeled)
    content = evaluate(
        labeled, mean_over=NAMES, replicates=50, operating_points=points, chosen_on="dev", group_by=["sex"]
    )
    check_golden(describe_evaluation(content, "made up"), Path(__file__).parent / "golden/evaluation.txt")


def test_scores_outside_0_and_1_have_no_calibration(labeled):
    logits = LabeledScores(
        labeled.names, labeled.studies, NAMES, labeled.scores * 9 - 3, labeled.labels, "image", "max"
    )
    tables = [
        len(list_rows(describe_evaluation(evaluate(one, replicates=10), ""), "Edema")) for one in (labeled, logits)
    ]
    assert tables == [3, 2]


def test_missing_gap_has_the_least_count():
    assert re.findall(r"\d+", describe_gap({"largest_gap": None})) == ["10"]


def test_part_of_few_patients_has_no_metric(labeled):
    found = evaluate(labeled, mean_over=NAMES, replicates=10, group_by=["sex"])
    sex = found["groups"]["sex"]
    assert {sex["largest_gap"]["high"], sex["largest_gap"]["low"]} == {"Female", "Male"}
    sex["rows"]["Female"]["patients"] = 9  # of 60 images; an older version compared it
    lines = describe_evaluation(found, "made up").splitlines()
    place = next(row for row, line in enumerate(lines) if line.startswith("mean AUROC by sex: Male "))
    assert lines[place].endswith("; not reported, fewer than 10 patients: Female (n = 60)")
    assert "no gap is reported" in lines[place + 1]
    assert "Female" not in lines[place + 1]


def test_undefined_metric_is_a_dash(labeled):
    absent = LabeledScores(
        labeled.names, labeled.studies, NAMES, labeled.scores, labeled.labels * [1, 0], "study", "max"
    )
    text = describe_evaluation(evaluate(absent, mean_over=NAMES, replicates=10), "made up")
    assert "nan" not in text
    assert list_rows(text, "Fracture")[0] == ["Fracture", "-", "0", "positive,", "120", "negative"]
