"""DeLong's covariance against its definition, pair by pair."""

import math

import numpy as np
import pytest

from chexpert.metrics.auroc_intervals import logit_interval
from chexpert.metrics.delong import delong_covariance, delong_interval, delong_test
from chexpert.metrics.resampling import resample_studies, weighted_aurocs


def define(scores, labels):
    """AUROCs and covariance by structural components, as DeLong et al. wrote them down."""
    yes, no = scores[:, labels == 1], scores[:, labels == 0]
    wins = (yes[:, :, None] > no[:, None]) + 0.5 * (yes[:, :, None] == no[:, None])
    return wins.mean((1, 2)), np.cov(wins.mean(2)) / yes.shape[1] + np.cov(wins.mean(1)) / no.shape[1]


@pytest.mark.parametrize("digits", [1, 8])
def test_covariance_matches_its_definition_with_ties(digits):
    rng = np.random.default_rng(0)
    labels = (rng.random(50) < 0.4).astype(int)
    scores = (rng.normal(size=(3, 50)) + labels).round(digits)
    values, covariance = define(scores, labels)
    found = delong_covariance(scores, labels)
    assert found[0] == pytest.approx(values, abs=1e-12)
    assert found[1] == pytest.approx(covariance, abs=1e-12)


def test_interval_matches_the_bootstrap_on_independent_rows():
    rng = np.random.default_rng(1)
    labels = (rng.random(400) < 0.3).astype("float64")
    scores = rng.normal(size=400) + 1.5 * labels
    replicates = weighted_aurocs(scores, labels, resample_studies(np.arange(400), 4000))
    value = weighted_aurocs(scores, labels, np.ones((1, 400)))[0]
    expected = logit_interval(value, replicates, 400, int(labels.sum()))
    assert delong_interval(scores, labels) == pytest.approx(expected[1:3], abs=0.004)


def test_p_of_a_model_against_itself_is_undefined():
    scores = np.array([[0.1, 0.4, 0.35, 0.8, 0.2]] * 2)
    assert math.isnan(delong_test(scores, np.array([0, 0, 1, 1, 0])))


def test_variance_of_one_positive_is_undefined():
    assert math.isnan(delong_covariance([[0.1, 0.2, 0.3]], [0, 0, 1])[1][0, 0])
