"""Paired differences: hand-made numbers, and the rate of false positives."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from chexpert.metrics.comparison import adjust_holm, paired_interval, paired_p
from chexpert.metrics.delong import delong_test
from chexpert.metrics.resampling import resample_studies, weighted_aurocs


def test_interval_excludes_0_exactly_where_p_is_below_0_05():
    rng = np.random.default_rng(0)
    replicates = rng.normal(0.02, 0.01, 500)
    for difference in (0.0, 0.015, 0.0195, 0.02, -0.03):
        found = paired_interval(difference, replicates, 9)
        assert (found.ci_low > 0 or found.ci_high < 0) == (paired_p(difference, replicates) < 0.05)


def test_model_against_itself_has_no_p():
    assert math.isnan(paired_p(0.0, np.zeros(10)))
    assert paired_interval(0.0, np.zeros(10), 5)[:3] == (0, 0, 0)


def test_undefined_replicates_are_left_out_and_counted():
    found = paired_interval(0.1, np.array([0.05, math.nan, 0.15]), 7)
    assert (found.n, found.undefined_replicates) == (7, 1)


def test_holm_adjustment_matches_hand_made_steps():
    """At .05: .01 against .0125 and .013 against .0167 hold, .03 against .025 does not, and so .04 neither."""
    assert adjust_holm([0.04, 0.01, 0.03, 0.013]) == pytest.approx([0.06, 0.04, 0.06, 0.04])


def test_p_matches_delong_on_independent_rows():
    rng = np.random.default_rng(3)
    labels = (rng.random(300) < 0.3).astype("float64")
    shared = rng.normal(size=300)
    scores = np.stack([shared + rng.normal(size=300) + weight * labels for weight in (1.6, 1.1)])
    counts = np.vstack([np.ones((1, 300)), resample_studies(np.arange(300), 2000)])
    found = np.subtract(*(weighted_aurocs(own, labels, counts) for own in scores))
    assert paired_p(found[0], found[1:]) == pytest.approx(delong_test(scores, labels), abs=0.02)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("n", "positives"), [(500, 100), (200, 40), (500, 29)])
def test_false_positive_rate_of_equal_models_is_4_to_6_percent(n, positives):
    labels = (np.arange(n) < positives).astype("float64")
    positive = {"bootstrap": 0, "DeLong": 0, "percentiles": 0}
    simulations, shift = 2000, norm.ppf(0.85) * math.sqrt(2)
    for seed in range(simulations):
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=n)
        scores = [0.8 * shared + 0.6 * rng.normal(size=n) + shift * labels for _ in range(2)]
        counts = np.vstack([np.ones((1, n)), resample_studies(np.arange(n), 1000, seed)])
        found = np.subtract(*(weighted_aurocs(own, labels, counts) for own in scores))
        positive["bootstrap"] += paired_p(found[0], found[1:]) < 0.05
        positive["DeLong"] += delong_test(np.stack(scores), labels) < 0.05
        low, high = np.quantile(found[1:], [0.025, 0.975])
        positive["percentiles"] += low > 0 or high < 0
    print(n, positives, {name: count / simulations for name, count in positive.items()})
    assert 0.04 <= positive["bootstrap"] / simulations <= 0.06
