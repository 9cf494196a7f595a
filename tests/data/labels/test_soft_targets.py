"""Targets mixed with a teacher's probabilities, by numbers made by hand."""

import numpy as np
import pytest
from scipy.special import expit, logit

from chexpert.data.labels.soft_targets import mix_targets, soften
from chexpert.data.labels.targets import RandomTargets, Targets


def test_temperature_divides_the_logit():
    p = np.array([0.01, 0.3, 0.5, 0.9])
    np.testing.assert_allclose(soften(p, 3.0), expit(logit(p) / 3), rtol=1e-14)
    assert soften(p, 1.0) is p
    assert soften(np.array([0.0, 1.0]), 2.0).tolist() == [0, 1]
    assert np.isnan(soften(np.array([np.nan]), 2.0)).all()


def test_weight_mixes_and_masked_targets_are_the_teachers():
    own = Targets(np.array([[1, 0], [0, 0], [1, 0]], "float32"), np.array([[True, False], [True, True], [True, False]]))
    taught = np.array([[0.6, 0.2], [0.4, 0.8], [np.nan, np.nan]])
    mixed = mix_targets(own, taught, 0.25)
    np.testing.assert_allclose(mixed.values, [[0.9, 0.2], [0.1, 0.2], [1, 0]], atol=1e-7)
    assert mixed.mask.tolist() == [[True, True], [True, True], [True, False]]
    assert mixed.values.dtype == np.float32


def test_sampled_targets_keep_their_share_of_the_sample():
    low, span = np.array([[0.55], [np.nan], [0.55]]), np.array([[0.3], [0.0], [0.3]])
    random = RandomTargets(low, span, ["a", "b", "c"], ["Edema"], seed=0)
    values = np.zeros((3, 1), "float32")
    random.fill(values, range(3))
    own = Targets(values.copy(), np.array([[True], [False], [True]]), random)
    mixed = mix_targets(own, np.array([[0.2], [0.7], [np.nan]]), 0.5)
    again = mixed.values.copy()
    mixed.random_targets.fill(again, range(3))
    np.testing.assert_allclose(again, mixed.values, atol=1e-7)
    np.testing.assert_allclose(mixed.values, [[0.1 + values[0, 0] / 2], [0.7], [values[2, 0]]], atol=1e-7)
    other = mixed.values.copy()
    mixed.random_targets.fill(other, range(3), epoch=5)
    assert other[1] == pytest.approx(0.7)
    assert other[0] != again[0]
