"""An evaluation as text: every figure with its interval and yardstick."""

import numpy as np
import pytest

from chexpert.evaluation import Judged, choose_operating_points, describe_level, evaluate
from chexpert.report import describe_evaluation
from chexpert.report.text.evaluation import describe_gap

NAMES = ["Edema", "Fracture"]


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 2)) < 0.4).astype("float64")
    scores = (2 * rng.random((120, 2)) + labels) / 3
    names = [f"s{row}" for row in range(120)]
    groups, lost = {"sex": ["Female", "Male"] * 60}, {"predictions": [], "labels": [f"t{row}" for row in range(7)]}
    return Judged(names, np.arange(120), NAMES, scores, labels, "study", "max", groups, lost)


@pytest.fixture(scope="module")
def text(judged):
    points = choose_operating_points(judged)
    content = evaluate(
        judged, mean_over=NAMES, replicates=50, operating_points=points, chosen_on="dev", group_by=["sex"]
    )
    return describe_evaluation(content, "made up")


def test_the_yardstick_stands_first(text):
    head = text.splitlines()[0]
    assert head == "AUROC, made up, studies (max over views), n = 120, [95 % interval, 50 drawings of 120 studies]"


@pytest.mark.parametrize("start", ["Edema", "Fracture", "mean over 2"])
def test_no_figure_stands_without_its_interval(text, start):
    lines = [line for line in text.splitlines() if line.startswith(start)]
    assert lines
    assert all("[" in line for line in lines)


def test_thresholds_groups_and_what_was_left_out_are_told(text):
    assert "sensitivity / specificity, thresholds chosen on dev" in text
    assert "mean AUROC by sex: Female 0." in text
    assert "largest gap of 2: " in text
    assert "left out: 7 rows that only the labels have: t0, t1, t2, t3, t4, and 2 more" in text


def test_scores_that_are_no_probabilities_say_so(judged):
    logits = Judged(judged.names, judged.studies, NAMES, judged.scores * 9 - 3, judged.labels, "image", "max")
    text = describe_evaluation(evaluate(logits, replicates=10), "made up")
    assert "no Brier score and no ECE: scores from -" in text


def test_levels_and_gaps_in_words():
    assert describe_level({"level": "study", "views": "mean"}) == "studies (mean over views)"
    assert describe_gap(None).startswith("no gap is told")


def test_an_undefined_figure_is_a_dash_whether_it_was_read_or_just_computed(judged):
    absent = Judged(judged.names, judged.studies, NAMES, judged.scores, judged.labels * [1, 0], "study", "max")
    text = describe_evaluation(evaluate(absent, mean_over=NAMES, replicates=10), "made up")
    assert "nan" not in text
    assert "Fracture                    -                     0 positive, 120 negative" in text
