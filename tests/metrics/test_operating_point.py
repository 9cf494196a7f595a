"""Thresholds by Youden, F1 and specificity, against all possible thresholds."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_curve

from chexpert.metrics import youden_threshold, youden_thresholds
from chexpert.metrics.operating_point import f1_threshold, get_rule, sensitivity_threshold, specificity_threshold


@pytest.mark.parametrize("case", range(50))
def test_youden_threshold_is_the_best_of_sklearns_curve(case):
    rng = np.random.default_rng(case)
    probabilities, labels = rng.random(40).round(1 + case % 3), rng.integers(0, 2, 40)
    threshold = youden_threshold(probabilities, labels)
    missed, found, _ = roc_curve(labels, probabilities, drop_intermediate=False)
    predicted = probabilities >= threshold
    reached = predicted[labels == 1].mean() - predicted[labels == 0].mean()
    assert reached == pytest.approx((found - missed).max())


def test_lowest_of_equally_good_thresholds_is_chosen():
    # from .2 on: sensitivity 1, specificity 1/2; from .6 on: 1/2 and 1
    assert youden_threshold(np.array([0.1, 0.2, 0.4, 0.6]), np.array([0, 1, 0, 1])) == pytest.approx(0.15)


@pytest.mark.parametrize("labels", [[0, 1, 1], [1, 1, 0], [1, 0, 1]])
def test_rounding_does_not_change_a_prediction(labels):
    probabilities = np.array([0.2, 0.4, 0.6])
    threshold = youden_threshold(probabilities, np.array(labels))
    for change in (-1e-6, 1e-6):
        assert ((probabilities + change >= threshold) == (probabilities >= threshold)).all()


def test_threshold_without_both_classes_is_undefined():
    assert math.isnan(youden_threshold(np.array([0.1, 0.2]), np.array([1, 1])))


def test_thresholds_use_only_labeled_views():
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.9, 0.5]])
    labels = np.array([[0, 1], [1, 0], [0, 1]])
    mask = np.array([[1, 0], [1, 1], [0, 1]])
    assert youden_thresholds(probabilities, labels, mask) == pytest.approx([0.45, 0.35])


@pytest.mark.parametrize("case", range(30))
def test_f1_threshold_is_the_best(case):
    rng = np.random.default_rng(case)
    probabilities, labels = rng.random(30).round(1 + case % 3), np.r_[0, 1, rng.integers(0, 2, 28)]
    found = f1_score(labels, probabilities >= f1_threshold(probabilities, labels))
    assert found == pytest.approx(max(f1_score(labels, probabilities >= t) for t in np.unique(probabilities)))


def test_specificity_threshold_has_the_highest_sensitivity():
    probabilities, labels = np.arange(20) / 20, np.array([0] * 9 + [1] + [0] * 1 + [1] * 9)
    threshold = specificity_threshold(probabilities, labels)  # ten negatives: one may lie above it
    assert threshold == pytest.approx(0.425)
    assert (probabilities[labels == 0] < threshold).mean() == 0.9
    assert (probabilities[labels == 1] >= threshold).mean() == 1


@pytest.mark.parametrize("kept", [0.3, 0.55, 0.9, 0.95])
@pytest.mark.parametrize("case", range(10))
def test_fixed_sensitivity_and_specificity_against_all_thresholds(case, kept):
    rng = np.random.default_rng(case)
    probabilities, labels = rng.random(40).round(1 + case % 3), np.r_[0, 1, rng.integers(0, 2, 38)]
    up, down = probabilities[labels == 1], probabilities[labels == 0]
    levels = np.unique(probabilities)
    sensitive = [t for t in levels if (up >= t).sum() >= kept * len(up) - 1e-9]
    chosen = sensitivity_threshold(probabilities, labels, kept)
    assert ((probabilities >= chosen) == (probabilities >= max(sensitive))).all()
    specific = [t for t in levels if (down < t).sum() >= kept * len(down) - 1e-9]
    chosen = specificity_threshold(probabilities, labels, kept)
    if specific:
        assert (up >= chosen).sum() == (up >= min(specific)).sum()
        assert (down < chosen).mean() >= kept - 1e-9
    assert get_rule(f"sensitivity_{kept}")(probabilities, labels) == sensitivity_threshold(probabilities, labels, kept)


def test_share_of_rows_that_float_rounding_would_miss():
    probabilities, labels = np.arange(40) / 40, np.r_[np.zeros(20), np.ones(20)]  # .55 * 20 is above 11 in float64
    assert (probabilities[labels == 1] >= sensitivity_threshold(probabilities, labels, 0.55)).sum() == 11


@pytest.mark.parametrize("rule", ["youden", "f1", "specificity_0.8", "sensitivity_0.8"])
def test_labels_in_part_count_as_copies_of_rows(rule):
    rng = np.random.default_rng(3)
    scores, quarters = rng.random(30), rng.integers(0, 5, 30)
    labels = np.concatenate([np.r_[np.ones(q), np.zeros(4 - q)] for q in quarters])
    assert get_rule(rule)(scores, quarters / 4) == get_rule(rule)(np.repeat(scores, 4), labels)


@pytest.mark.parametrize("name", ["yuden", "sensitivity", "sensitivity_1.5", "specificity_0.0", "specificity_.", "f2"])
def test_unknown_rule_is_an_error(name):
    with pytest.raises(ValueError, match="rule"):
        get_rule(name)
