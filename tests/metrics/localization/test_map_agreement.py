"""Rank correlation of maps, against scipy."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from chexpert.metrics import spearman


@pytest.mark.parametrize("case", range(20))
def test_it_agrees_with_scipy_with_ties(case):
    one, other = np.random.default_rng(case).integers(0, 9, (2, 8, 7)).astype("float32")
    assert spearman(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic, abs=1e-12)


def test_only_the_order_counts_and_the_sign():
    signed = np.array([[-3.0, 0.0], [1.0, 50.0]], dtype="float32")
    assert spearman(signed, np.exp(signed)) == pytest.approx(1)
    assert spearman(signed, -signed) == pytest.approx(-1)


@pytest.mark.parametrize("silent", [0.0, 1.0, np.nan])
def test_a_map_that_says_nothing_agrees_with_nothing(silent):
    assert math.isnan(spearman(np.full((2, 2), silent), np.eye(2)))


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        spearman(np.eye(2), np.eye(3))
