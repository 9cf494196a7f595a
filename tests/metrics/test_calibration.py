"""Calibration methods, and the expected calibration error."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from torchmetrics.functional.classification import binary_calibration_error

from chexpert.config import CALIBRATIONS
from chexpert.metrics.calibration import (
    METHODS,
    calibrate,
    expected_calibration_error,
    fit_platt,
    fit_temperature,
    to_logits,
    weighted_calibration_errors,
)

WARPS = {
    "temperature": lambda p: expit(3 * to_logits(p)),
    "platt": lambda p: expit(0.4 * to_logits(p) + 1.5),
    "isotonic": lambda p: p**3,
}


def expected_error(scores, labels):
    return expected_calibration_error(scores, labels)


def test_expected_error_matches_torchmetrics():
    rng = np.random.default_rng(0)
    scores, labels = rng.random(300), rng.integers(0, 2, 300).astype("float64")
    counts = rng.integers(0, 3, (4, 300)).astype("float64")
    for row, found in zip(counts.astype(int), weighted_calibration_errors(scores, labels, counts), strict=True):
        sampled = (torch.tensor(np.repeat(own, row)) for own in (scores, labels.astype(int)))
        assert found == pytest.approx(float(binary_calibration_error(*sampled, n_bins=15)), abs=1e-6)


def test_expected_error_of_hand_made_bins():
    """Bins of a fifteenth: .1 and .1 with one positive in two, 1.0 with none in one."""
    scores, labels = np.array([0.1, 0.1, 1.0]), np.array([0, 1, 0.0])
    assert expected_error(scores, labels) == pytest.approx((2 * 0.4 + 1 * 1.0) / 3)


@pytest.mark.parametrize("method", METHODS)
def test_calibration_undoes_a_known_warp_on_held_out_data(method):
    rng = np.random.default_rng(1)
    truth = rng.beta(0.7, 2, (2, 20_000))
    labels = (rng.random(truth.shape) < truth).astype("float64")
    fitted, held_out = WARPS[method](truth)
    after = calibrate(held_out, METHODS[method](fitted, labels[0]))
    assert expected_error(after, labels[1]) <= 0.2 * expected_error(held_out, labels[1])


def test_temperature_of_hand_made_scores():
    """Scores of .9 and .1 of which 3 in 4 are right: the slope turns log 9 into log 3."""
    scores, labels = np.repeat([0.9, 0.1], 4), np.array([1, 1, 1, 0, 0, 0, 0, 1.0])
    fitted = fit_temperature(scores, labels)
    assert fitted["slope"] == pytest.approx(np.log(3) / np.log(9), rel=1e-4)
    assert calibrate(np.array([0.9, 0.1]), fitted) == pytest.approx([0.75, 0.25], abs=1e-4)


def test_platt_matches_logistic_regression_on_soft_targets():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=300)
    labels = (rng.random(300) < expit(2 * logits - 1)).astype("float64")
    positives, negatives = labels.sum(), 300 - labels.sum()
    soft = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    both = np.r_[np.ones(300), np.zeros(300)]  # each row as a positive and as a negative, weighted by its target
    slow = LogisticRegression(C=np.inf, tol=1e-10).fit(np.r_[logits, logits][:, None], both, np.r_[soft, 1 - soft])
    fitted = fit_platt(expit(logits), labels)
    assert fitted["slope"] == pytest.approx(slow.coef_[0, 0], rel=1e-3)
    assert fitted["intercept"] == pytest.approx(slow.intercept_[0], rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
@given(st.integers(0, 10_000))
def test_calibration_keeps_the_order_of_scores(method, seed):
    rng = np.random.default_rng(seed)
    scores = np.r_[0.0, 1.0, rng.random(18)].round(int(rng.integers(1, 4)))
    labels = np.r_[0, 1, rng.integers(0, 2, 18)].astype("float64")
    calibrated = calibrate(np.sort(rng.random(50)), METHODS[method](scores, labels))
    assert (np.diff(calibrated) >= -1e-12).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


def test_calibration_of_separated_scores_is_finite():
    for fit in METHODS.values():
        calibrated = calibrate(np.array([0.0, 1.0]), fit(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1.0])))
        assert np.isfinite(calibrated).all()


def test_config_lists_exactly_the_methods():
    assert set(CALIBRATIONS) == set(METHODS)
