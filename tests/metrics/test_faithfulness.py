"""Areas under deletion and insertion curves, made by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import auc

from chexpert.metrics import curve_area, evaluate_curves

QUARTERS = [0, 0.25, 0.5, 0.75, 1]


def test_evidence_in_the_first_pixels_has_complementary_areas():
    found = evaluate_curves(np.array([4.0, 2.0, 2.0, 2.0, 2.0]), np.array([2.0, 4.0, 4.0, 4.0, 4.0]), QUARTERS)
    assert found == (0.125, 0.875, 0.75, 1.5)


def test_straight_curves_have_no_gap():
    line = np.linspace(-1, 5, 21)
    assert evaluate_curves(line[::-1], line, np.linspace(0, 1, 21)) == pytest.approx((0.5, 0.5, 0, 0))


def test_map_of_the_wrong_sign_has_a_negative_gap():
    assert evaluate_curves(np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), [0, 0.5, 1]).gap == -0.5


@pytest.mark.parametrize("full", [0.49, 0.0, -3.0])
def test_low_logit_leaves_only_the_gap_in_logits(full):
    found = evaluate_curves(np.array([full, -1.0, 0.0]), np.array([0.0, 3.0, full]), [0, 0.5, 1])
    assert all(math.isnan(value) for value in found[:3])
    assert found.gap_logit == pytest.approx(2)


def test_area_matches_sklearn():
    rng = np.random.default_rng(0)
    values, shares = rng.normal(size=21), np.sort(rng.random(21))
    assert curve_area(values, shares) == pytest.approx(auc(shares, values))


def test_step_counts_by_its_width():
    assert curve_area([1, 0, 0], [0, 0.1, 1]) == pytest.approx(0.05)
    # hidden .1 of the image and everything is gone: .05 and .95; at equal steps it would be .25 and .75
    found = evaluate_curves(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0]), [0, 0.1, 1])
    assert found[:3] == pytest.approx((0.05, 0.95, 0.9))
