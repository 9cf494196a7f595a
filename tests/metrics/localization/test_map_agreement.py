"""Rank correlation of maps, compared with scipy."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from chexpert.metrics import spearman


@pytest.mark.parametrize("case", range(20))
def test_spearman_matches_scipy_with_ties(case):
    one, other = np.random.default_rng(case).integers(0, 9, (2, 8, 7)).astype("float32")
    assert spearman(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic, abs=1e-12)


def test_only_order_and_sign_count():
    signed = np.array([[-3.0, 0.0], [1.0, 50.0]], dtype="float32")
    assert spearman(signed, np.exp(signed)) == pytest.approx(1)
    assert spearman(signed, -signed) == pytest.approx(-1)


@pytest.mark.parametrize("constant", [0.0, 1.0, np.nan])
def test_constant_map_has_no_correlation(constant):
    assert math.isnan(spearman(np.full((2, 2), constant), np.eye(2)))


def test_maps_of_two_sizes_are_an_error():
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(3, 3\)"):
        spearman(np.eye(2), np.eye(3))
