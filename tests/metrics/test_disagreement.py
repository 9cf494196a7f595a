"""Disagreement of two models, by numbers made by hand."""

import math

import numpy as np
import pytest
from scipy.stats import pearsonr

from chexpert.metrics.disagreement import disagreement


def make(both: int, one: int, other: int, neither: int):
    """Return probabilities of two models, right on these numbers of rows, and labels of both kinds."""
    right = np.array([(1, 1)] * both + [(1, 0)] * one + [(0, 1)] * other + [(0, 0)] * neither, bool)
    labels = np.arange(len(right)) % 2
    sure = np.linspace(0.6, 0.9, len(right))
    scores = [np.where(own == (labels == 1), sure, 1 - sure) for own in right.T]
    return *scores, labels


@pytest.mark.parametrize(
    ("counts", "q"), [((6, 2, 3, 4), (24 - 6) / (24 + 6)), ((1, 1, 1, 1), 0), ((1, 3, 4, 2), (2 - 12) / (2 + 12))]
)
def test_q_is_yules(counts, q):
    found = disagreement(*make(*counts))
    assert (found.counts, found.n) == (counts, sum(counts))
    assert found.q == pytest.approx(q, abs=1e-15)
    assert found.why == ""


@pytest.mark.parametrize(("counts", "empty"), [((5, 2, 3, 0), 1), ((5, 0, 0, 3), 2), ((7, 0, 0, 0), 3)])
def test_empty_cell_has_no_q_and_a_reason_for_each(counts, empty):
    found = disagreement(*make(*counts))
    assert math.isnan(found.q)
    assert len(found.why.split("; ")) == empty
    assert math.isfinite(found.correlation)


def test_correlation_is_of_the_residuals():
    first, second, labels = np.array([0.9, 0.4, 0.2, 0.7]), np.array([0.6, 0.1, 0.3, 0.2]), np.array([1, 1, 0, 0])
    expected = pearsonr([-0.1, -0.6, 0.2, 0.7], [-0.4, -0.9, 0.3, 0.2]).statistic
    assert disagreement(first, second, labels).correlation == pytest.approx(expected, abs=1e-14)
    assert disagreement(first, first, labels).correlation == pytest.approx(1, abs=1e-14)


def test_errors_that_do_not_vary_have_no_correlation():
    found = disagreement([0.9, 0.1, 0.9], [0.8, 0.3, 0.4], [1, 0, 1])  # a residual of the first: -0.1, 0.1, -0.1
    assert math.isfinite(found.correlation)
    found = disagreement([0.5, 0.5], [0.8, 0.3], [1, 1])
    assert math.isnan(found.correlation)
    assert found.why


def test_unlabeled_rows_do_not_count_and_threshold_is_met_at_its_value():
    found = disagreement([0.3, 0.3, 0.9], [0.2, 0.3, 0.1], [1, 0, math.nan], threshold=0.3)
    assert found.counts == (0, 1, 0, 1)
    assert found.n == 2
    assert disagreement([], [], []).n == 0


def test_scores_that_are_no_probabilities_are_an_error():
    with pytest.raises(ValueError, match="probabilities"):
        disagreement([1.2], [0.1], [1])
