import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from chexpert.explain.methods import local_model
from chexpert.explain.methods.local_model import LocalFit, fit, interleave, sample_superpixels, weigh
from chexpert.metrics import spearman


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


def test_larger_sample_begins_each_half_with_the_same_rows():
    for pairs in (False, True):
        few, many = (sample_superpixels(n, 9, seed=1, pairs=pairs) for n in (40, 100))
        assert (few[:20] == many[:20]).all()
        assert (few[20:] == many[50:70]).all()


def test_every_second_row_of_a_half_is_the_complement_of_the_one_before():
    shown = sample_superpixels(40, 9, seed=1, pairs=True)
    assert (shown[1::2] == ~shown[::2]).all()
    assert shown[0].all()
    assert (shown[2:20] != shown[22:40]).any()


def test_prefix_of_the_order_has_whole_pairs_of_both_halves():
    order = interleave(100)
    assert sorted(order) == [*range(100)]
    assert sorted(order[:40]) == [*range(20), *range(50, 70)]


def test_pairs_cancel_the_interactions_of_two_superpixels():
    """Values of products alone, of +1 and -1: with equal kernel weights, their linear model is flat."""
    shown = sample_superpixels(400, 8, seed=0, pairs=True)
    signs = 2.0 * shown - 1
    values = (signs[:, 0] * signs[:, 1] + signs[:, 2] * signs[:, 5])[:, None]
    assert abs(fit(shown, values, kernel_width=1e6)[0]).max() < 1e-12
    plain = sample_superpixels(400, 8, seed=0)
    signs = 2.0 * plain - 1
    values = (signs[:, 0] * signs[:, 1] + signs[:, 2] * signs[:, 5])[:, None]
    assert abs(fit(plain, values, kernel_width=1e6)[0]).max() > 0.05


def make_values(shown: np.ndarray, noise: float) -> np.ndarray:
    """A linear output, and one with noise."""
    linear = shown @ np.arange(shown.shape[1])
    return np.stack([linear, linear + noise * np.random.default_rng(0).standard_normal(len(shown))], 1)


def test_fixed_number_of_samples_is_the_fit_of_all_and_of_the_halves():
    shown = sample_superpixels(101, 8, seed=0)
    values = make_values(shown, 5)
    local = LocalFit(shown, 0.25)
    assert (local.order == np.arange(101)).all()
    assert not local(values[:100])
    assert local(values)
    weights, r2 = fit(shown, values, 0.25)
    first, second = fit(shown[:51], values[:51], 0.25)[0], fit(shown[51:], values[51:], 0.25)[0]
    for c, model in local.models.items():
        assert (model.weights == weights[:, c]).all()
        assert (model.r2, model.samples) == (r2[c], 101)
        assert model.stability == spearman(first[:, c], second[:, c])


def test_output_stops_where_its_halves_agree_whatever_is_beside_it(monkeypatch):
    monkeypatch.setattr(local_model, "LEAST", 40)
    monkeypatch.setattr(local_model, "STEP", 20)
    shown = sample_superpixels(400, 8, seed=0)

    def run(columns, chunk):
        local = LocalFit(shown, 0.25, converged=0.95)
        values = make_values(shown, 5)[local.order][:, columns]
        ends = [*range(chunk, 400, chunk), 400]
        taken = next(end for end in ends if local(values[:end]))
        return local.models, taken

    both, taken = run([0, 1], 20)
    assert both[0].samples == 80
    assert both[1].samples == taken == 180
    assert min(model.stability for model in both.values()) >= 0.95
    noisy, _ = run([1], 33)
    assert noisy[0].samples == both[1].samples
    assert (noisy[0].weights == both[1].weights).all()


def test_output_that_never_agrees_has_all_samples():
    shown = sample_superpixels(700, 30, seed=0)
    local = LocalFit(shown, 0.25, converged=0.9)
    assert local(np.random.default_rng(1).standard_normal((700, 1)))
    assert local.models[0].samples == 700
    assert local.models[0].stability < 0.9
