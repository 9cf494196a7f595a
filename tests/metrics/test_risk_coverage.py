"""Risk-coverage curves: numbers by hand, every order of ties, and a slow reference."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chexpert.metrics.resampling import sample_studies
from chexpert.metrics.risk_coverage import aurc_replicates, count_kept, risk_coverage, risk_replicates

ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.2, 1.0])), min_size=1, max_size=6)


def risks_by_all_orders(confidence, losses):
    """The mean risk of each number of rows kept, over every order of the rows that the confidence allows."""
    rows = range(len(losses))
    orders = [
        order for order in permutations(rows)
        if all(confidence[a] >= confidence[b] for a, b in pairwise(order))
    ]  # fmt: skip
    return np.mean([np.cumsum(np.array(losses)[list(order)]) / np.arange(1, len(losses) + 1) for order in orders], 0)


def test_numbers_by_hand():
    # kept one by one: losses 0, 1, 0, 1 -> risks 0, 1/2, 1/3, 1/2
    curve = risk_coverage([0.9, 0.8, 0.7, 0.6], [0, 1, 0, 1])
    assert [curve.risk(share) for share in (0.25, 0.5, 0.75, 1)] == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.aurc() == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    # the order by the losses: 0, 0, 1, 1 -> risks 0, 0, 1/3, 1/2
    assert curve.excess_aurc() == pytest.approx((1 / 2) / 4)
    assert curve.coverage(0.4) == (0.75, 0.7)
    assert curve.coverage(0.5) == (1.0, 0.6)
    assert curve.coverage(0.1) == (0.25, 0.9)


def test_no_coverage_has_so_small_a_risk():
    assert risk_coverage([0.9, 0.8], [1, 0]).coverage(0.2) == (0.0, math.inf)


def test_rows_of_equal_confidence_are_kept_together_at_a_risk():
    # the risk of the first two is 1/2 whichever comes first; both or none can be described by a confidence
    curve = risk_coverage([0.9, 0.9, 0.1], [0, 1, 0])
    assert curve.coverage(0.4) == (1.0, 0.1)
    assert curve.coverage(0.2) == (0.0, math.inf)


def test_confidence_that_knows_nothing_has_the_mean_loss_everywhere():
    curve = risk_coverage(np.zeros(7), [0, 1, 0, 0, 1, 0, 0])
    assert [curve.risk(share) for share in (0.1, 0.5, 1)] == pytest.approx([2 / 7] * 3)
    assert curve.aurc() == pytest.approx(2 / 7)


def test_no_row_has_no_risk():
    curve = risk_coverage([], [])
    assert all(map(math.isnan, (curve.risk(), curve.aurc(), curve.excess_aurc())))
    assert curve.coverage(0.5) == (0.0, math.inf)


@pytest.mark.parametrize(("confidence", "losses"), [([1, 2], [0]), ([math.nan], [0]), ([0], [math.inf])])
def test_what_is_no_number_is_refused(confidence, losses):
    with pytest.raises(ValueError, match="confidence"):
        risk_coverage(confidence, losses)


@given(ROWS)
def test_every_order_of_ties_is_averaged(rows):
    confidence, losses = zip(*rows, strict=True)
    curve, expected = risk_coverage(confidence, losses), risks_by_all_orders(confidence, losses)
    n = len(rows)
    assert [curve.risk(k / n) for k in range(1, n + 1)] == pytest.approx(expected.tolist())
    assert curve.aurc() == pytest.approx(expected.mean())


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    first, second = (risk_coverage(*zip(*own, strict=True)) for own in (rows, shuffled))
    assert first.aurc() == pytest.approx(second.aurc(), abs=1e-12)
    assert first.coverage(0.3) == second.coverage(0.3)


@given(ROWS)
def test_scale_of_the_confidence_changes_nothing_and_no_order_is_below_the_oracle(rows):
    confidence, losses = map(np.array, zip(*rows, strict=True))
    curve, other = risk_coverage(confidence, losses), risk_coverage(np.exp(confidence) - 7, losses)
    assert curve.aurc() == pytest.approx(other.aurc())
    assert curve.excess_aurc() >= -1e-12
    assert risk_coverage(-losses, losses).excess_aurc() == pytest.approx(0, abs=1e-12)


@given(ROWS, st.integers(0, 5))
def test_replicates_are_the_curves_of_the_rows_that_they_hold(rows, seed):
    confidence, losses = map(np.array, zip(*rows, strict=True))
    counts = sample_studies(len(rows), replicates=5, seed=seed)
    areas = aurc_replicates(confidence, losses, counts)
    shares = [0.3, 0.5, 1.0]
    risks = risk_replicates(confidence, losses, counts, shares)
    for r in range(5):
        held = np.repeat(np.arange(len(rows)), counts[:, r])
        curve = risk_coverage(confidence[held], losses[held])
        assert areas[r] == pytest.approx(curve.aurc())
        assert risks[:, r] == pytest.approx([curve.risk(share) for share in shares])


def test_replicate_without_a_row_is_undefined():
    counts = np.array([[0, 1], [0, 1]])
    assert np.isnan(aurc_replicates([1, 2], [0, 1], counts)).tolist() == [True, False]
    assert np.isnan(risk_replicates([1, 2], [0, 1], counts, [1.0])).tolist() == [[True, False]]


def test_rows_kept_are_at_least_the_coverage():
    assert [count_kept(200, share) for share in (0.005, 0.0051, 0.55, 1)] == [1, 2, 110, 200]
