"""Ranks of labels on hand-made probabilities."""

import csv

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.evaluation.label_issues import BLANKS, check_top, count_top, rank_issues, write_issues

LABELS = np.array([1, 1, 1, 0, 0, 0, np.nan, np.nan, -1, -1], float)
PROBABILITIES = np.array([0.9, 0.8, 0.1, 0.2, 0.1, 0.7, 0.95, 0.3, 0.5, 0.99])
# thresholds: of 1 mean(.9, .8, .1) = .6; of 0 and blank 1 - mean(.2, .1, .7, .95, .3) = .55


def test_ranks_by_hand():
    found = rank_issues("Edema", LABELS, PROBABILITIES, top="3")
    assert found.thresholds == pytest.approx((0.55, 0.6))
    assert (found.positives, found.negatives, found.blanks, found.uncertain) == (3, 5, 2, 2)
    # probabilities of the given label: blank of .95: .05; 1 of .1: .1; 0 of .7: .3
    assert [(one.row, one.label, one.suggested) for one in found.issues] == [
        (6, "blank", "1"),
        (2, "1", "0"),
        (5, "0", "1"),
    ]
    assert [one.score for one in found.issues] == pytest.approx([0.05, 0.1, 0.3])
    assert [one.rank for one in found.issues] == [1, 2, 3]
    assert found.errors == pytest.approx((2 / 5, 1 / 3))
    assert found.issues[2].expected_share == pytest.approx(2 / 5)
    # less the thresholds: -.5, -.5, -.25
    adjusted = rank_issues("Edema", LABELS, PROBABILITIES, top="3", method="adjusted")
    assert adjusted.issues[0].score == pytest.approx(adjusted.issues[1].score)
    assert adjusted.issues[2].row == 5


def test_uncertain_labels_are_listed_apart():
    found = rank_issues("Edema", LABELS, PROBABILITIES, top="5")
    assert [(one.row, one.label, one.suggested) for one in found.resolved] == [(9, "-1", "1"), (8, "-1", "")]
    assert not {one.row for one in found.issues} & {8, 9}


def test_blanks_are_left_out_if_asked_for():
    found = rank_issues("Edema", LABELS, PROBABILITIES, top="10", blank=BLANKS[1])
    assert (found.positives, found.negatives, found.blanks) == (3, 3, 2)
    assert not {one.row for one in found.issues} & {6, 7}


def test_nothing_is_ranked_without_both_classes():
    found = rank_issues("Edema", np.zeros(4), np.full(4, 0.5))
    assert (found.positives, found.negatives, list(found.issues)) == (0, 4, [])


def test_top_is_a_count_or_a_share():
    assert [count_top(top, 30) for top in ("0.05", "0.5", "7", "90")] == [2, 15, 7, 30]
    for wrong in ("0", "1.5", "0.0", "-1", "many", "1.0"):
        with raises("value", "--top"):
            check_top(wrong)


def test_the_file_has_a_column_to_fill_in(tmp_path):
    found = rank_issues("Edema", LABELS, PROBABILITIES, top="0.5")
    write_issues(tmp_path / "issues.csv", found.issues, [f"view{n}" for n in range(10)])
    rows = list(csv.DictReader((tmp_path / "issues.csv").open()))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert {row["corrected"] for row in rows} == {""}
    assert float(rows[2]["probability"]) == 0.7
