"""An evaluation as text: every metric with its interval and evaluation setting."""

import numpy as np
import pytest

from chexpert.evaluation import LabeledScores, choose_operating_points, describe_level, evaluate
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


@pytest.fixture(scope="module")
def text(labeled):
    points = choose_operating_points(labeled)
    content = evaluate(
        labeled, mean_over=NAMES, replicates=50, operating_points=points, chosen_on="dev", group_by=["sex"]
    )
    return describe_evaluation(content, "made up")


def test_the_evaluation_setting_stands_first(text):
    head = text.splitlines()[0]
    assert head == "AUROC, made up, studies (max over views), n = 120, [95 % interval, 50 resamples of 120 studies]"


@pytest.mark.parametrize("start", ["Edema", "Fracture", "mean over 2"])
def test_no_metric_stands_without_its_interval(text, start):
    lines = [line for line in text.splitlines() if line.startswith(start)]
    assert lines
    assert all("[" in line for line in lines)


def test_thresholds_groups_and_what_was_left_out_are_reported(text):
    assert "sensitivity / specificity, thresholds chosen on dev" in text
    assert "mean AUROC by sex: Female 0." in text
    assert "largest gap of 2: " in text
    assert "left out: 7 rows that only the labels have: t0, t1, t2, t3, t4, and 2 more" in text


def test_scores_that_are_no_probabilities_say_so(labeled):
    logits = LabeledScores(
        labeled.names, labeled.studies, NAMES, labeled.scores * 9 - 3, labeled.labels, "image", "max"
    )
    text = describe_evaluation(evaluate(logits, replicates=10), "made up")
    assert "no Brier score and no ECE: scores from -" in text


def test_levels_and_gaps_in_words():
    assert describe_level({"level": "study", "views": "mean"}) == "studies (mean over views)"
    assert describe_gap(None).startswith("no gap is reported")


def test_an_undefined_metric_is_a_dash_whether_it_was_read_or_just_computed(labeled):
    absent = LabeledScores(
        labeled.names, labeled.studies, NAMES, labeled.scores, labeled.labels * [1, 0], "study", "max"
    )
    text = describe_evaluation(evaluate(absent, mean_over=NAMES, replicates=10), "made up")
    assert "nan" not in text
    assert "Fracture                    -                     0 positive, 120 negative" in text
