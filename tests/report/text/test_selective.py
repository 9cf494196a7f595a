"""The text of a deferral."""

import math

import pytest

from chexpert.report.text.selective import describe_excess


def keep(low):
    return {"error": {"value": 0.5, "ci_low": low, "ci_high": 0.6}, "brier": {"value": 0.1, "ci_low": 0.05}}


@pytest.mark.parametrize(("low", "lines"), [(0.35, 1), (0.3, 0), (0.2, 0), (math.nan, 0), (None, 0)])
def test_risk_above_the_asked_one_is_said_where_its_whole_interval_is(low, lines):
    assert len(list(describe_excess(keep(low), "error", 0.3))) == lines


def test_the_loss_that_was_asked_for_counts():
    assert list(describe_excess(keep(0.35), "brier", 0.3)) == []
