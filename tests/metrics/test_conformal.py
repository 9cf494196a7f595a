"""Conformal p-values and prediction sets of one observation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from crepes.base import ConformalClassifier
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from chexpert.metrics.conformal import (
    GRID,
    SETS,
    choose_sets,
    conformal_p_values,
    count_needed,
    coverage_band,
    find_rank,
    fit_bounds,
    list_ranks,
    prediction_sets,
)

RATES = st.integers(1, GRID // 2 - 1).map(lambda thousandths: thousandths / GRID)
SCORES = st.integers(0, 20).map(lambda twentieths: twentieths / 20)  # with ties
ROWS = st.lists(st.tuples(SCORES, st.sampled_from([0.0, 1.0])), min_size=1, max_size=60)


def loop_p_values(scores, calibration_scores, labels):
    """One row, class and calibration row after another."""
    found = []
    for score in scores:
        for label in (0, 1):
            own = 1 - score if label else score
            others = [1 - s if label else s for s, y in zip(calibration_scores, labels, strict=True) if y == label]
            found.append((sum(other >= own for other in others) + 1) / (len(others) + 1))
    return np.reshape(found, (-1, 2))


def split(rows):
    scores, labels = np.array(rows).T
    return scores, labels


def test_p_values_of_hand_made_scores():
    """Absent .1 .2 .4, present .6 .9: of .4, one absent row is at least as high, no present row is as low."""
    found = conformal_p_values([0.4, 0.6, 0.05], [0.1, 0.9, 0.2, 0.6, 0.4, 0.5], [0, 1, 0, 1, 0, np.nan])
    assert found.tolist() == [[2 / 4, 1 / 3], [1 / 4, 2 / 3], [4 / 4, 1 / 3]]
    assert prediction_sets(found, 0.3).tolist() == ["both", "present", "both"]
    assert prediction_sets(found, 0.4).tolist() == ["absent", "present", "absent"]


def test_p_values_match_crepes():
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.2).astype(int)
    scores = np.round(rng.beta(1 + 2 * labels, 3), 3)  # with ties
    new = np.round(rng.random(500), 3)
    referee = ConformalClassifier().fit(np.where(labels == 1, -scores, scores), bins=labels)
    expected = [
        referee.predict_p(alphas[:, None], bins=np.full(500, label), smoothing=False)[:, 0]
        for label, alphas in ((0, new), (1, -new))
    ]
    assert conformal_p_values(new, scores, labels) == pytest.approx(np.column_stack(expected), abs=1e-9)


@given(ROWS, st.lists(SCORES, min_size=1, max_size=10))
def test_p_values_match_a_loop(rows, new):
    scores, labels = split(rows)
    eighths = (np.array(new) * 20 // 2.5 / 8, scores * 20 // 2.5 / 8)  # of which 1 - score is exact
    assert conformal_p_values(eighths[0], eighths[1], labels).tolist() == loop_p_values(*eighths, labels).tolist()


@given(ROWS, st.lists(SCORES, min_size=1, max_size=10), RATES)
def test_kept_scores_give_the_sets_of_the_p_values(rows, new, rate):
    scores, labels = split(rows)
    if min((labels == label).sum() for label in (0, 1)) < count_needed(rate):
        return
    expected = prediction_sets(conformal_p_values(new, scores, labels), rate)
    assert np.array(SETS)[choose_sets(np.array(new), fit_bounds(scores, labels), rate)].tolist() == expected.tolist()


@pytest.mark.parametrize("rate", [0.001, 0.007, 0.05, 0.1, 0.2, 0.29, 0.499])
def test_many_rows_keep_500_scores_and_exact_sets(rate):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 9_001)
    scores, new = rng.random(9_001), rng.random(3_000)
    bounds = fit_bounds(scores, labels)
    assert all(len(own["scores"]) < GRID / 2 for own in bounds.values())
    expected = prediction_sets(conformal_p_values(new, scores, labels), rate)
    assert np.array(SETS)[choose_sets(new, bounds, rate)].tolist() == expected.tolist()


def test_rate_below_every_kept_score_leaves_no_class_out():
    rng = np.random.default_rng(3)
    labels, scores = np.repeat([0, 1], 1_999), rng.random(3_998)
    assert count_needed(0.0005) == 1_999
    assert (choose_sets(rng.random(500), fit_bounds(scores, labels), 0.0005) == SETS.index("both")).all()


def test_rate_between_thousandths_gives_no_smaller_set():
    rng = np.random.default_rng(2)
    labels, scores, new = rng.integers(0, 2, 20_000), rng.random(20_000), rng.random(2_000)
    found = np.array(SETS)[choose_sets(new, fit_bounds(scores, labels), 0.10049)]
    assert found.tolist() == prediction_sets(conformal_p_values(new, scores, labels), 0.1).tolist()


@given(ROWS, st.lists(SCORES, min_size=1, max_size=10), RATES, RATES)
def test_a_lower_error_rate_gives_sets_that_hold_the_smaller_ones(rows, new, one, other):
    p_values = conformal_p_values(new, *split(rows))
    wide, narrow = (prediction_sets(p_values, rate) for rate in sorted((one, other)))
    for outer, inner in zip(wide, narrow, strict=True):
        assert SETS.index(outer) & SETS.index(inner) == SETS.index(inner)


@given(ROWS, st.lists(SCORES, min_size=1, max_size=10), RATES)
def test_a_monotone_scale_changes_no_set(rows, new, rate):
    scores, labels = split(rows)
    plain = prediction_sets(conformal_p_values(new, scores, labels), rate)
    assert prediction_sets(
        conformal_p_values(np.exp(3 * np.array(new)), np.exp(3 * scores), labels), rate
    ).tolist() == (plain.tolist())


@given(ROWS, st.lists(SCORES, min_size=1, max_size=10), RATES)
def test_swapped_classes_swap_the_sets(rows, new, rate):
    scores, labels = split(rows)
    swapped = {"absent": "present", "present": "absent"}
    sets = prediction_sets(conformal_p_values(new, scores, labels), rate)
    found = prediction_sets(conformal_p_values(-np.array(new), -scores, 1 - labels), rate)
    assert found.tolist() == [swapped.get(name, name) for name in sets]


@given(st.integers(1, 2_000).map(lambda part: Fraction(part, 4_001)))
def test_needed_rows_are_the_fewest_that_can_leave_a_class_out(rate):
    needed = count_needed(float(rate))
    assert Fraction(1, needed + 1) <= rate < Fraction(1, needed)


@pytest.mark.parametrize("whole", [3, 10, 20, 49, 98, 103])
def test_needed_rows_of_one_in_a_whole_number(whole):
    assert count_needed(1 / whole) == whole - 1


@given(st.integers(1, GRID // 2 - 1), st.integers(0, 5_000))
def test_rank_is_exact_at_thousandths(thousandths, rows):
    rank = find_rank(thousandths / GRID, rows)
    assert rank == thousandths * (rows + 1) // GRID
    assert rank == 0 or rank in list_ranks(rows)


@pytest.mark.parametrize("rate", [0, 0.5, -0.1, 1.0, math.nan])
def test_other_error_rates_are_an_error(rate):
    with pytest.raises(ValueError, match="between 0 and"):
        prediction_sets([[0.5, 0.5]], rate)


@pytest.mark.parametrize(("scores", "labels"), [([0.1], [2]), ([math.nan], [1]), ([0.1, 0.2], [1])])
def test_wrong_calibration_rows_are_an_error(scores, labels):
    with pytest.raises(ValueError, match=r"label|score"):
        conformal_p_values([0.5], scores, labels)


def sample_coverage(rng, rows, held_out, rate):
    """Covered rows of each class, of sets that are fitted once."""
    labels = np.repeat([0, 1], rows)
    bounds = fit_bounds(rng.normal(labels), labels)
    new = [rng.normal(float(label), size=count) for label, count in enumerate(held_out)]
    return [(choose_sets(scores, bounds, rate) & (1 + label) > 0).sum() for label, scores in enumerate(new)]


def test_coverage_of_each_class_is_beta_binomial_over_many_splits():
    """Of 2,000 simulated splits; the band holds 95 % or a little more, as counts are whole."""
    rng, rows, held_out, rate = np.random.default_rng(3), (400, 60), (300, 80), 0.1
    covered = np.array([sample_coverage(rng, rows, held_out, rate) for _ in range(2_000)])
    for counts, own, new in zip(covered.T, rows, held_out, strict=True):
        low, high = coverage_band(own, new, rate)
        rank = find_rank(rate, own)
        law = betabinom(new, own + 1 - rank, rank)
        inside = np.mean((low <= counts) & (counts <= high))
        assert inside == pytest.approx(law.cdf(high) - law.cdf(low - 1), abs=0.015)
        assert inside >= 0.94
        assert counts.mean() / new == pytest.approx(1 - rank / (own + 1), abs=0.005)


@pytest.mark.parametrize(("rows", "binomial"), [((20_000, 4_000), True), ((900, 100), False)])
def test_coverage_of_100_splits_lies_in_the_band(rows, binomial):
    """The binomial band is met only where calibration rows are many; 90 of 100 are 3 standard errors below 96."""
    rng, held_out, rate = np.random.default_rng(0), (900, 100), 0.1
    covered = np.array([sample_coverage(rng, rows, held_out, rate) for _ in range(100)])
    for counts, own, new in zip(covered.T, rows, held_out, strict=True):
        low, high = coverage_band(own, new, rate)
        assert ((low <= counts) & (counts <= high)).sum() >= 90
        low, high = binom.ppf([0.025, 0.975], new, 1 - rate)
        assert (((low <= counts) & (counts <= high)).sum() >= 90) == binomial
