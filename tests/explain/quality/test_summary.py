"""Intervals of metrics of several means."""

import numpy as np
import pytest

from chexpert.explain.quality.summary import interval, joint_interval
from chexpert.metrics import normalize_hit
from chexpert.metrics.localization.map_scores import divide_by_area, normalize_hits


def make(**columns):
    return [dict(zip(columns, own, strict=True)) for own in zip(*columns.values(), strict=True)]


def test_constant_ratio_is_the_same_in_each_replicate():
    area = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4]
    found = joint_interval(make(mass=[2 * a for a in area], chance=area), ("mass", "chance"), divide_by_area)
    assert [found[key] for key in ("value", "ci_low", "ci_high")] == pytest.approx([2, 2, 2])
    assert (found["n"], found["undefined_replicates"]) == (6, 0)


def test_each_replicate_uses_its_own_chance_and_ceiling():
    rng = np.random.default_rng(1)
    columns = {"hit": rng.random(12).round(), "chance": rng.random(12) / 4, "reachable": (rng.random(12) < 0.9) * 1.0}
    counted = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), 1000)
    expected = sorted(normalize_hit(*(np.repeat(own, counts).mean() for own in columns.values())) for counts in counted)
    found = joint_interval(make(**columns), tuple(columns), normalize_hits)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((expected[24], expected[974]))


def test_undefined_replicates_are_dropped_and_counted():
    rows = make(hit=[1, 0, 0, 0, 0], chance=[0.5] * 5, reachable=[1.0, 0, 0, 0, 0])
    found = joint_interval(rows, ("hit", "chance", "reachable"), normalize_hits)
    assert found["undefined_replicates"] > 900  # three of five resampled rows must be the first
    assert found["value"] is None


@pytest.mark.parametrize(("n", "ends"), [(1, None), (4, None), (5, 1)])
def test_fewer_than_five_values_have_no_interval(n, ends):
    rows = make(mass=[1] * n, chance=[1] * n)
    for found in (interval(rows, "mass"), joint_interval(rows, ("mass", "chance"), divide_by_area)):
        assert (found["value"], found["ci_low"], found["ci_high"], found["n"]) == (1, ends, ends, n)
