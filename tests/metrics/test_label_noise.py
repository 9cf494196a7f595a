"""P(finding | report label): counts against exact numbers, expectation maximization against loops and truth."""

import math

import numpy as np
import pytest
from scipy import stats

from chexpert.metrics.label_mixture import PSEUDO, maximize
from chexpert.metrics.label_noise import FEW, bin_scores, count_truth, index_labels, learn_from_scores

VALUES = np.array([1, 0, -1, math.nan])
POSITIVE, NEGATIVE = [0.62, 0.03, 0.20, 0.15], [0.03, 0.22, 0.10, 0.65]
"""P(1, 0, -1, blank) with the finding and without it."""


def plant(seed, studies=5000, prevalence=0.3, distance=2.5):
    """Return labels, binormal scores of AUROC Phi(distance / sqrt 2), and whether each study shows the finding."""
    rng = np.random.default_rng(seed)
    shown = rng.random(studies) < prevalence
    scores = rng.standard_normal(studies) + distance * shown
    labels = [VALUES[rng.choice(4, p=POSITIVE if own else NEGATIVE)] for own in shown]
    return np.array(labels), scores, shown


def compute_shares(labels, shown):
    return np.array([shown[index_labels(labels) == place].mean() for place in range(4)])


def maximize_slowly(counts, positions, intercept, slope, emissions, steps):
    """Return P(finding | label) and the line after some steps: one study count at a time, no arrays."""
    bins, values = len(counts), len(counts[0])
    for _ in range(steps):
        found = [[0.0] * values for _ in range(bins)]
        for b in range(bins):
            share = 1 / (1 + math.exp(-(intercept + slope * positions[b])))
            for v in range(values):
                with_it, without = share * emissions[0][v], (1 - share) * emissions[1][v]
                found[b][v] = counts[b][v] * with_it / (with_it + without)
        for z in (0, 1):
            own = [
                sum(found[b][v] if z == 0 else counts[b][v] - found[b][v] for b in range(bins)) + PSEUDO
                for v in range(values)
            ]
            emissions[z] = [one / sum(own) for one in own]
        g0 = g1 = h00 = h01 = h11 = 0.0
        for b in range(bins):
            share, size = 1 / (1 + math.exp(-(intercept + slope * positions[b]))), sum(counts[b])
            rest, weight = sum(found[b]) - size * share, size * share * (1 - share) + 1e-9
            g0, g1 = g0 + rest, g1 + rest * positions[b]
            h00, h01, h11 = h00 + weight, h01 + weight * positions[b], h11 + weight * positions[b] ** 2
        determinant = h00 * h11 - h01**2
        intercept += max(-1, min(1, (h11 * g0 - h01 * g1) / determinant))
        slope += max(-1, min(1, (h00 * g1 - h01 * g0) / determinant))
    return emissions, intercept, slope


def test_counts_are_jeffreys_of_an_independent_library():
    labels = np.repeat(VALUES, (20, 9, 30, 12))
    truth = np.r_[[1] * 15, [0] * 5, [0] * 9, [1] * 10, [0] * 20, [0] * 12]
    one, zero, uncertain, blank = count_truth(labels, truth)
    for found, (k, n) in ((one, (15, 20)), (uncertain, (10, 30))):
        beta = stats.beta(k + 0.5, n - k + 0.5)
        assert found[:5] == pytest.approx((beta.mean(), beta.ppf(0.025), beta.ppf(0.975), n, k), abs=1e-12)
    assert (zero.n, zero.positives) == (9, 0)
    assert math.isnan(zero.value)
    assert str(FEW) in zero.why
    assert (blank.value, blank.ci_low, blank.n) == (0.5 / 13, 0, 12)


def test_unknown_truth_counts_nowhere():
    found = count_truth([1] * 40, [1] * 10 + [0] * 10 + [math.nan] * 20)[0]
    assert (found.value, found.n, found.positives) == (0.5, 20, 10)


def test_another_label_is_an_error():
    with pytest.raises(ValueError, match="2"):
        index_labels([2])


def test_maximization_equals_loops():
    counts = np.array([[2.0, 9, 3, 30], [5, 4, 6, 20], [20, 1, 9, 6]])
    positions, emissions = [-1.0, 0.1, 1.2], [[0.5, 0.1, 0.2, 0.2], [0.1, 0.3, 0.1, 0.5]]
    for steps in (1, 7, 40):
        slow = maximize_slowly(counts.tolist(), positions, -0.5, 1.0, [list(row) for row in emissions], steps)
        fast = maximize(counts[None], np.array(positions), np.array([[-0.5, 1.0]]), np.array([emissions]), steps)
        assert np.abs(fast.emissions[0] - slow[0]).max() < 1e-10
        assert fast.line[0] == pytest.approx(slow[1:], abs=1e-10)


def test_several_tables_are_fitted_as_each_alone():
    rng = np.random.default_rng(0)
    counts, lines = rng.integers(1, 30, (3, 5, 4)).astype(float), np.array([[-0.5, 1.0]] * 3)
    positions = np.linspace(-1.5, 1.5, 5)
    together = maximize(counts, positions, lines, steps=50)
    for row in range(3):
        alone = maximize(counts[row : row + 1], positions, lines[:1], steps=50)
        assert together.probabilities[row] == pytest.approx(alone.probabilities[0], abs=1e-12)


def test_likelihood_never_falls():
    labels, scores, _ = plant(0, 2000)
    own, bins = bin_scores(scores)
    counts = np.zeros((1, bins, 4))
    np.add.at(counts[0], (own, index_labels(labels)), 1)
    positions = stats.norm.ppf((np.arange(bins) + 0.5) / bins)
    line = np.array([[-1.0, 1.0]])
    values = [maximize(counts, positions, line, steps=steps).likelihood[0] for steps in range(0, 60, 4)]
    assert (np.diff(values) > -1e-9).all()


@pytest.mark.parametrize("seed", range(5))
def test_planted_probabilities_are_recovered(seed):
    """Held to the share of the 5,000 studies: that of 700 studies of one label value varies itself by .02 (one sd)."""
    labels, scores, shown = plant(seed)
    found = learn_from_scores(labels, scores, np.arange(5000), replicates=10)
    assert np.abs([own.value for own in found] - compute_shares(labels, shown)).max() <= 0.03
    assert [own.n for own in found] == np.bincount(index_labels(labels)).tolist()


def test_only_the_rank_within_a_model_counts():
    """Scores that end where the label's noise ends, or of two models on other scales, give the same."""
    labels, scores, _ = plant(1, 3000)
    models = np.arange(3000) % 2
    plain = learn_from_scores(labels, scores, np.arange(3000), models, replicates=10)
    saturating = 0.03 + 0.59 / (1 + np.exp(-scores))
    assert learn_from_scores(labels, saturating - models, np.arange(3000), models, replicates=10) == plain


def test_predictions_that_carry_the_noise_of_the_label_fail():
    """A model that knows what the report says, not what the image shows: every positive label is believed."""
    labels, _, shown = plant(2)
    scores = np.random.default_rng(0).standard_normal(5000) + 2.5 * (labels == 1)
    found = learn_from_scores(labels, scores, np.arange(5000), replicates=10)
    assert found[0].value - compute_shares(labels, shown)[0] > 0.05


def test_intervals_resample_patients():
    labels, scores, _ = plant(3, 1000)
    repeated = [np.repeat(part, 4) for part in (labels, scores)]
    single = learn_from_scores(*repeated, np.arange(4000), replicates=100)
    grouped = learn_from_scores(*repeated, np.repeat(np.arange(1000), 4), replicates=100)
    for narrow, wide in zip(single, grouped, strict=True):
        assert narrow.value == wide.value
        assert narrow.ci_low <= narrow.value <= narrow.ci_high
        assert wide.ci_high - wide.ci_low > 1.3 * (narrow.ci_high - narrow.ci_low)


def test_scores_without_information_fit_nothing():
    labels, _, _ = plant(4, 2000)
    found = learn_from_scores(labels, np.zeros(2000), np.arange(2000), replicates=10)
    assert all(math.isnan(own.value) and own.why for own in found)


def test_rare_label_values_are_left_out():
    labels, scores, _ = plant(5, 2000)
    labels[labels == 0] = math.nan
    labels[:9] = 0
    found = learn_from_scores(labels, scores, np.arange(2000), replicates=10)
    assert (found[1].n, math.isnan(found[1].value), math.isnan(found[3].value)) == (9, True, False)


def test_too_few_studies_are_an_error():
    with pytest.raises(ValueError, match="39 studies"):
        learn_from_scores([1] * 39, [0.5] * 39, np.arange(39))
