"""Distances from a sample, each against a slow reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from chexpert.metrics.distances import fit_gaussian, measure_neighbors, normalize_length
from chexpert.metrics.prediction_limit import compute_limit


def measure_slowly(sample, rows):
    """By the inverse of scikit-learn's whole shrunk covariance."""
    scaled = (sample - sample.mean(0)) / sample.std(0)
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(scaled).covariance_)
    found = []
    for row in rows:
        centered = (row - sample.mean(0)) / sample.std(0)
        found.append(np.sqrt(centered @ precision @ centered / len(centered)))
    return np.array(found)


def test_hand_made_numbers():
    # variance 1 along both axes after scaling, no correlation: the shrunk covariance is the identity
    sample = np.array([[1.0, 2.0], [-1.0, 2.0], [1.0, -2.0], [-1.0, -2.0]])
    found = fit_gaussian(sample).measure(np.array([[0.0, 0.0], [3.0, 8.0]]))
    assert found == pytest.approx([0.0, np.sqrt((9 + 16) / 2)], abs=1e-12)


@given(st.integers(0, 1000), st.integers(3, 30), st.integers(1, 12))
def test_all_directions_are_the_shrunk_covariance(seed, rows, width):
    rng = np.random.default_rng(seed)
    sample = rng.normal(size=(rows, width)) @ rng.normal(size=(width, width)) + 3
    others = rng.normal(size=(5, width)) * 4
    assert fit_gaussian(sample).measure(others) == pytest.approx(measure_slowly(sample, others), rel=1e-6)


def test_fewer_directions_keep_the_total_variance():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(300, 40)) * np.linspace(1, 5, 40) @ np.linalg.qr(rng.normal(size=(40, 40)))[0]
    fitted = fit_gaussian(sample, directions=5)
    assert fitted.directions.shape == (5, 40)
    assert fitted.variances.sum() + 35 * fitted.rest == pytest.approx(40)


def test_constant_features_do_not_count():
    rng = np.random.default_rng(0)
    sample = np.column_stack([rng.normal(size=20), np.full(20, 7.0)])
    near, far = fit_gaussian(sample).measure(np.array([[0.0, 7.0], [0.0, 9.0]]))
    assert near == far


def test_too_few_rows_and_no_variance_are_errors():
    with pytest.raises(ValueError, match="1 rows"):
        fit_gaussian(np.ones((1, 3)))
    with pytest.raises(ValueError, match="constant"):
        fit_gaussian(np.ones((4, 3)))


def test_nearest_neighbors_by_hand():
    reference = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert measure_neighbors(reference, rows, 1).tolist() == [0, 0]
    assert measure_neighbors(reference, rows, 2).tolist() == [5, 5]
    assert measure_neighbors(reference, rows, 3).tolist() == [10, 5]


@given(st.integers(0, 1000), st.integers(1, 8))
def test_nearest_neighbors_equal_scikit_learn(seed, neighbors):
    rng = np.random.default_rng(seed)
    reference, rows = rng.normal(size=(20, 6)), rng.normal(size=(7, 6))
    slow = NearestNeighbors(n_neighbors=neighbors, algorithm="brute").fit(reference).kneighbors(rows)[0][:, -1]
    assert measure_neighbors(reference, rows, neighbors) == pytest.approx(slow, rel=1e-9)


def test_more_neighbors_than_rows_are_an_error():
    with pytest.raises(ValueError, match="4 neighbors of 3 rows"):
        measure_neighbors(np.ones((3, 2)), np.ones((1, 2)), 4)


def test_length_of_zeros_stays():
    assert normalize_length(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0, 0]]


def test_limit_of_few_values_lies_above_all():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    expected = 3 + t.ppf(0.995, 4) * np.std(values, ddof=1) * np.sqrt(1.2)
    assert compute_limit(values, 0.005) == pytest.approx(expected, rel=1e-9)
    assert compute_limit(np.array([2.0, 2.0, 2.0]), 0.005) == 2


def test_limit_of_a_long_tail_is_the_quantile():
    values = np.concatenate([np.zeros(980), np.full(20, 100.0)])
    assert compute_limit(values, 0.005) == 100


@pytest.mark.parametrize("count", [20, 40, 200])
def test_limit_keeps_the_share_of_normal_values(count):
    rng = np.random.default_rng(count)
    above = [(rng.normal(size=400) > compute_limit(rng.normal(size=count), 0.005)).mean() for _ in range(300)]
    assert np.mean(above) <= 0.006


def test_limit_of_one_value_is_an_error():
    with pytest.raises(ValueError, match="1 values"):
        compute_limit(np.array([1.0]), 0.005)
