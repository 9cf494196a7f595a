"""The spread between seeds, and the difference that is a tie."""

import math

import numpy as np
import pytest

from chexpert.evaluation import find_tie, gather_configurations
from chexpert.report.text.seed_spread import describe_spread

LIMIT = 1.959964 * math.sqrt(2)
"""Of the difference of two values with a standard deviation of 1."""


def gather(values):
    """Return the configurations, of which each has as many seeds as values."""
    settings = [{"lr": lr, "seed": seed} for lr, own in enumerate(values) for seed in range(len(own))]
    names = [f"{own['lr']}/{own['seed']}" for own in settings]
    return gather_configurations(settings, [value for own in values for value in own], names)


PUBLIC = [[0.8750, 0.8804, 0.8634], [0.9067, 0.9077, 0.9112]]
"""Three seeds each of two public configurations, on 518 frontal test images."""


def test_limit_is_of_the_pooled_standard_deviation():
    found = gather(PUBLIC)
    sds = [np.std(own, ddof=1) for own in PUBLIC]
    tie = find_tie(found)
    assert tie["sd"] == pytest.approx(math.sqrt(np.mean(np.square(sds))))
    assert tie["limit"] == pytest.approx(LIMIT * tie["sd"], rel=1e-6)
    first, second = found
    assert (first["mean"], first["behind"], first["tie"]) == (pytest.approx(np.mean(PUBLIC[1])), 0, True)
    assert second["behind"] == pytest.approx(np.mean(PUBLIC[1]) - np.mean(PUBLIC[0]))
    assert second["limit"] == pytest.approx(tie["limit"] / math.sqrt(3))
    assert not second["tie"]


def test_configurations_with_one_seed_or_undefined_values_have_no_spread():
    assert gather([[0.8], [0.9]]) == []
    assert gather([[0.8, math.nan]]) == []
    assert find_tie([]) is None
    (only,) = gather([[0.8, math.nan, 0.9], [0.7]])
    assert (only["n"], only["runs"], only["low"], only["high"]) == (2, ["0/0", "0/2"], 0.8, 0.9)


def test_close_means_tie():
    found = gather([[0.80, 0.82], [0.81, 0.82]])
    assert [group["tie"] for group in found] == [True, True]
    assert [group["mean"] for group in found] == pytest.approx([0.815, 0.81])


def test_limit_holds_95_of_100_differences_of_two_seeds():
    values = np.random.default_rng(0).normal(0.9, 0.01, (2000, 2))
    limit = find_tie(gather(values.tolist()))["limit"]
    assert np.mean(np.abs(values[:, 0] - values[:, 1]) < limit) == pytest.approx(0.95, abs=0.01)


def test_equal_seeds_tie_with_no_other_value():
    found = gather([[0.9, 0.9], [0.8, 0.8]])
    assert (find_tie(found)["limit"], [group["tie"] for group in found]) == (0, [True, False])
    assert gather([[0.9, 0.9], [0.9, 0.9]])[1]["tie"]


def test_text_has_mean_spread_range_and_limit():
    found = gather(PUBLIC)
    tie = find_tie(found)
    *lines, last = describe_spread(found, tie, {name: name for group in found for name in group["runs"]})
    for group, line in zip(found, lines, strict=True):
        assert all(f"{group[key]:.3f}" in line for key in ("mean", "sd", "low", "high"))
    assert f"{found[1]['limit']:.3f}" in lines[1]
    assert f"{tie['limit']:.3f}" in last
