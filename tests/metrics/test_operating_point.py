"""Youden's threshold, against every threshold there is."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from chexpert.metrics import youden_threshold, youden_thresholds


@pytest.mark.parametrize("case", range(50))
def test_no_threshold_of_scikit_learns_curve_is_better(case):
    rng = np.random.default_rng(case)
    probabilities, labels = rng.random(40).round(1 + case % 3), rng.integers(0, 2, 40)
    threshold = youden_threshold(probabilities, labels)
    missed, found, _ = roc_curve(labels, probabilities, drop_intermediate=False)
    predicted = probabilities >= threshold
    reached = predicted[labels == 1].mean() - predicted[labels == 0].mean()
    assert reached == pytest.approx((found - missed).max())


def test_of_equally_good_thresholds_the_lowest_is_taken():
    # from .2 on: sensitivity 1, specificity 1/2; from .6 on: 1/2 and 1
    assert youden_threshold(np.array([0.1, 0.2, 0.4, 0.6]), np.array([0, 1, 0, 1])) == pytest.approx(0.15)


@pytest.mark.parametrize("labels", [[0, 1, 1], [1, 1, 0], [1, 0, 1]])
def test_rounding_a_probability_does_not_turn_a_view(labels):
    probabilities = np.array([0.2, 0.4, 0.6])
    threshold = youden_threshold(probabilities, np.array(labels))
    for change in (-1e-6, 1e-6):
        assert ((probabilities + change >= threshold) == (probabilities >= threshold)).all()


def test_a_class_that_is_absent_leaves_it_undefined():
    assert math.isnan(youden_threshold(np.array([0.1, 0.2]), np.array([1, 1])))


def test_each_observation_is_judged_over_its_own_labelled_views():
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.9, 0.5]])
    labels = np.array([[0, 1], [1, 0], [0, 1]])
    mask = np.array([[1, 0], [1, 1], [0, 1]])
    assert youden_thresholds(probabilities, labels, mask) == pytest.approx([0.45, 0.35])
