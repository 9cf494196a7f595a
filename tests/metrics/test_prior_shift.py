"""Probabilities and thresholds for another prevalence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chexpert.metrics.operating_point import get_rule
from chexpert.metrics.prior_shift import adjust_prevalence, estimate_prevalence, expected_threshold, shift_logits

SHARES = st.floats(0.02, 0.98)


def iterate_slowly(probabilities, before, steps=5000):
    """Saerens et al. 2002, equation 2.9, in loops over two classes."""
    prior = {1: before, 0: 1 - before}
    current = dict(prior)
    for _ in range(steps):
        sums = {1: 0.0, 0: 0.0}
        for p in probabilities:
            parts = {1: current[1] / prior[1] * p, 0: current[0] / prior[0] * (1 - p)}
            for label, part in parts.items():
                sums[label] += part / (parts[0] + parts[1])
        current = {label: total / len(probabilities) for label, total in sums.items()}
    return current[1]


def test_hand_made_numbers():
    # odds 4 at prior odds 1/3; prior odds 1 multiply them by 3: 12 / 13
    assert adjust_prevalence([0.8], 0.25, 0.5) == pytest.approx(12 / 13)
    assert estimate_prevalence([0.0, 0.0, 1.0, 1.0], 0.1) == pytest.approx(0.5)
    # likelihood ratios 3 and 1/3, twice as many of the first: likelihood (1 + 2q)^2 (1 - 2q/3), greatest at q = 5/6
    assert estimate_prevalence([0.75, 0.75, 0.25], 0.5) == pytest.approx(5 / 6, abs=1e-6)


@pytest.mark.parametrize("case", range(4))
def test_estimate_is_that_of_the_slow_reference(case):
    rng = np.random.default_rng(case)
    probabilities, before = rng.beta(1 + case, 2, 30), (0.2, 0.4, 0.6, 0.3)[case]
    assert estimate_prevalence(probabilities, before) == pytest.approx(iterate_slowly(probabilities, before), abs=1e-5)


def test_estimate_recovers_a_shifted_prevalence():
    rng = np.random.default_rng(0)
    labels = rng.random(40_000) < 0.15
    scores = rng.normal(2.0 * labels, 1)  # log of the likelihood ratio: 2 * score - 2
    fitted = 1 / (1 + np.exp(-(2 * scores - 2)))  # calibrated at one half
    assert estimate_prevalence(fitted, 0.5) == pytest.approx(0.15, abs=0.01)
    assert adjust_prevalence(fitted, 0.5, 0.15).mean() == pytest.approx(0.15, abs=0.01)


@given(st.lists(SHARES, min_size=1, max_size=20), SHARES, SHARES)
def test_adjusting_there_and_back_changes_nothing_and_adds_to_the_log_odds(probabilities, before, after):
    rows = np.array(probabilities)
    there = adjust_prevalence(rows, before, after)
    assert adjust_prevalence(there, after, before) == pytest.approx(rows)
    logits = np.log(there / (1 - there)) - np.log(rows / (1 - rows))
    assert logits == pytest.approx(shift_logits(before, after))


@given(st.lists(SHARES, min_size=1, max_size=20), SHARES)
def test_estimate_is_at_its_likelihoods_maximum(probabilities, before):
    rows = np.array(probabilities)

    def likelihood(share):
        return np.log(share * rows / before + (1 - share) * (1 - rows) / (1 - before)).sum()

    best = likelihood(estimate_prevalence(rows, before))
    assert all(best >= likelihood(share) - 1e-5 for share in np.linspace(0.001, 0.999, 40))


def test_expected_threshold_of_certain_probabilities_is_that_of_labels():
    rng = np.random.default_rng(1)
    scores, labels = rng.random(50), rng.integers(0, 2, 50)
    for rule in ("youden", "f1", "specificity_0.9", "sensitivity_0.9"):
        assert expected_threshold(rule, scores, labels) == get_rule(rule)(scores, labels)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_prevalence_outside_its_range_is_an_error(prevalence):
    with pytest.raises(ValueError, match="prevalence"):
        adjust_prevalence([0.5], 0.5, prevalence)
    with pytest.raises(ValueError, match="prevalence"):
        estimate_prevalence([0.5], prevalence)


def test_no_row_is_an_error():
    with pytest.raises(ValueError, match="row"):
        estimate_prevalence([], 0.5)
