"""Bootstrap intervals over images."""

import math

import numpy as np
import pytest

from chexpert.metrics import bootstrap_mean, bootstrap_means


def test_interval_of_equal_values_has_no_width():
    assert bootstrap_mean([0.25] * 10, replicates=50) == (0.25, 0.25, 0.25, 10, 0)


def test_mean_ignores_nan():
    interval = bootstrap_mean([0.0, 1.0, math.nan, 0.5])
    assert (interval.value, interval.n) == (0.5, 3)


def test_interval_ends_are_replicates_25_and_975_of_1000():
    values = np.random.default_rng(1).random(30)
    samples = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), 1000)
    replicates = np.sort([np.repeat(values, counts).mean() for counts in samples])
    interval = bootstrap_mean(values)
    assert interval.ci_low == pytest.approx(replicates[24], abs=1e-12)
    assert interval.ci_high == pytest.approx(replicates[974], abs=1e-12)


def test_interval_width_matches_theory():
    values = np.random.default_rng(1).normal(0, 1, 400)
    interval = bootstrap_mean(values, replicates=4000)
    assert interval.ci_high - interval.ci_low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_undefined_replicates_are_dropped_and_counted():
    interval = bootstrap_mean([0.5, math.nan, math.nan], replicates=3000)  # (2/3)^3 of them have no 0.5
    assert interval[:4] == (0.5, 0.5, 0.5, 1)
    assert interval.undefined_replicates / 3000 == pytest.approx(8 / 27, abs=0.03)


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_mean_of_no_defined_value_is_nan(values):
    interval = bootstrap_mean(values, replicates=20)
    assert np.isnan(interval[:3]).all()
    assert interval[3:] == (0, 20)


def test_interval_of_few_replicates_contains_the_mean():
    interval = bootstrap_mean([0.0, 1.0], replicates=10)
    assert interval.ci_low <= interval.value <= interval.ci_high


def test_columns_share_the_resamples():
    values = np.random.default_rng(1).random(20)
    one, other = bootstrap_means(np.stack([values, values + 1], axis=1))
    assert np.allclose(np.array(one[:3]) + 1, other[:3])


def test_seed_fixes_the_interval_without_global_random_state():
    values = np.random.default_rng(1).random(20)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
