import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from chexpert.explain.methods.lime import fit, sample_superpixels, weigh


def test_first_sample_shows_all_and_the_others_about_half():
    shown = sample_superpixels(1001, 20, seed=0)
    assert shown.shape == (1001, 20)
    assert shown[0].all()
    assert shown[1:].mean() == pytest.approx(0.5, abs=0.02)


def test_sample_halves_differ_and_the_seed_decides():
    shown = sample_superpixels(200, 10, seed=4)
    assert (shown == sample_superpixels(200, 10, seed=4)).all()
    assert (shown[1:100] != shown[101:200]).any()
    assert (shown != sample_superpixels(200, 10, seed=5)).any()


def test_kernel_uses_the_cosine_distance_of_sklearn():
    shown = np.vstack([sample_superpixels(30, 8, seed=0), np.zeros((1, 8), bool)])
    distance = pairwise_distances(shown.astype(float), np.ones((1, 8)), metric="cosine").ravel()
    assert np.allclose(weigh(shown, 0.25), np.sqrt(np.exp(-(distance**2) / 0.0625)), atol=1e-12)


def test_weights_and_r2_match_sklearn_ridge():
    shown, values = sample_superpixels(60, 8, seed=0), np.random.default_rng(0).standard_normal((60, 3))
    weights, r2 = fit(shown, values, 0.25)
    for column in range(3):
        ridge = Ridge(alpha=1).fit(shown, values[:, column], weigh(shown, 0.25))
        assert np.allclose(weights[:, column], ridge.coef_, atol=1e-10)
        assert r2[column] == pytest.approx(ridge.score(shown, values[:, column], weigh(shown, 0.25)), abs=1e-10)


def test_constant_output_has_no_r2():
    shown = sample_superpixels(40, 5, seed=0)
    weights, r2 = fit(shown, np.ones((40, 1)), 0.25)
    assert abs(weights).max() < 1e-12
    assert np.isnan(r2[0])
