"""Which rows are deferred: their order, their number, and the cutoff for a risk."""

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.evaluation.selective.confidence import Confidences, plain_confidence
from chexpert.evaluation.selective.deferral import choose_cutoff, count_deferred, rank_rows, write_deferred

NAMES = ["b", "c", "a"]


def rank(probabilities, names=NAMES):
    probabilities = np.array(probabilities)
    own = Confidences(names, ["A", "B"], probabilities, {"plain": plain_confidence(probabilities)}, [])
    return rank_rows(own, "plain")


def test_least_sure_first_with_the_observation_that_made_it_so():
    rows, order = rank([[0.9, 0.9], [0.4, 0.8], [0.1, 0.7]])
    assert [(row.name, row.observation, row.probability) for row in rows] == [
        ("c", "A", 0.4), ("a", "B", 0.7), ("b", "A", 0.9)
    ]  # fmt: skip
    assert order.tolist() == [1, 2, 0]
    assert rows[0].confidence == pytest.approx(0.7)


def test_equal_rows_are_in_the_order_of_their_names():
    same = [[0.9, 0.9]] * 3
    assert [row.name for row in rank(same)[0]] == ["a", "b", "c"]
    assert [row.name for row in rank(same, ["c", "b", "a"])[0]] == ["a", "b", "c"]


def test_number_of_deferred_rows():
    assert [count_deferred(10, 3, None), count_deferred(10, 10, None), count_deferred(10, None, 0.75)] == [3, 10, 2]


@pytest.mark.parametrize(("count", "coverage", "where"), [
    (11, None, "--count 11"), (0, None, "--count 0"), (-1, None, "--count -1"),
    (None, 0.0, "--coverage 0"), (None, 1.0, "--coverage 1"), (None, 1.5, "--coverage 1.5"),
])  # fmt: skip
def test_amount_that_is_not_possible(count, coverage, where):
    with raises("value", where):
        count_deferred(10, count, coverage)


def test_cutoff_is_the_lowest_confidence_with_so_small_a_risk():
    found = choose_cutoff(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 1]), 0.4, "dev")
    assert (found.confidence, found.coverage, found.risk, found.n) == (0.7, 0.75, pytest.approx(1 / 3), 4)


def test_risk_that_no_coverage_reaches():
    with raises("value", "--risk 0.1") as caught:
        choose_cutoff(np.array([0.9, 0.8]), np.array([1.0, 0.0]), 0.1, "dev")
    assert "--risk 0.5" in caught.value.hint
    with raises("value", "--risk 0.1"):
        choose_cutoff(np.array([]), np.array([]), 0.1, "dev")


def test_list_is_a_table(tmp_path):
    write_deferred(tmp_path / "d.csv", rank([[0.9, 0.9], [0.4, 0.8], [0.1, 0.7]])[0][:1], "Study")
    assert (tmp_path / "d.csv").read_text() == "Study,Confidence,Observation,Probability\nc,0.7,A,0.4\n"
