import numpy as np
import pytest
import torch
from helpers.known_answers import Weighted, make_weights
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from chexpert.explain import Rise
from chexpert.explain.methods.rise import Masks


def test_masks_are_in_0_to_1_show_half_and_have_the_image_size():
    masks = Masks(500, 4, (30, 22), seed=0)(0, 500)
    assert masks.shape == (500, 30, 22)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert abs(masks.mean().item() - 0.5) < 0.02


def test_masks_depend_on_the_seed_and_not_on_the_request():
    masks = Masks(20, 4, (16, 16), seed=1)
    assert (masks(0, 20)[7:9] == masks(7, 9)).all()
    assert (Masks(20, 4, (16, 16), seed=2)(0, 20) != masks(0, 20)).any()


def test_regression_matches_numpy():
    masks = Masks(40, 3, (9, 9), seed=0)
    changes = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    changes -= changes.mean(0)
    all_masks = masks(0, 40).numpy()
    expected = np.einsum("nc,nhw->chw", changes.numpy(), all_masks) / 40 / all_masks.var(0)
    assert np.allclose(masks.regress(changes), expected, atol=1e-5)


def test_masks_vary_at_the_border_as_inside():
    variance = Masks(4000, 4, (16, 16), seed=0)(0, 4000).var(0)
    border = torch.ones(16, 16, dtype=torch.bool)
    border[2:-2, 2:-2] = False
    assert variance[border].mean() == pytest.approx(variance[~border].mean().item(), rel=0.03)


def test_noise_peaks_at_the_border_no_more_often_than_chance():
    peaks = []
    for seed in range(100):
        masks = Masks(100, 16, (32, 32), seed)
        noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(seed))
        peak = masks.regress(noise - noise.mean(0)).argmax().item()
        peaks.append(not (2 <= peak // 32 < 30 and 2 <= peak % 32 < 30))
    assert np.mean(peaks) <= 1 - (28 / 32) ** 2 + 0.1


def test_regions_rank_by_the_weights_of_a_linear_model():
    weights = make_weights(32, smooth=6)
    image = torch.full((1, 32, 32), 128, dtype=torch.uint8)
    (attributions,) = Rise(samples=12_000, cells=8, fill="black")(Weighted(weights), image[None], [[0, 1]])
    for own, attribution in zip(weights, attributions, strict=True):
        seen = gaussian_filter(own, 2.5)  # a mask's cells have 4 pixels: it cannot see finer
        inside = np.s_[3:-3, 3:-3]
        assert spearmanr(seen[inside].ravel(), attribution.signed[inside].ravel()).statistic >= 0.99
        strong = abs(seen) > 0.5 * seen.std()
        assert (np.sign(attribution.signed) == np.sign(own))[strong].mean() > 0.99


def test_seed_decides_the_map_and_chunk_size_does_not():
    model, image = Weighted(make_weights(32, 4)), torch.full((1, 1, 32, 32), 90, dtype=torch.uint8)
    one, other, different = (
        Rise(samples=50, fill="black", seed=seed, batch_size=size)(model, image, [[0]])[0][0].signed
        for seed, size in ((1, 8), (1, 50), (2, 8))
    )
    assert np.allclose(one, other, rtol=1e-4, atol=1e-4)
    assert (one == Rise(samples=50, fill="black", seed=1, batch_size=8)(model, image, [[0]])[0][0].signed).all()
    assert (one != different).any()


def test_one_pass_serves_all_outputs():
    model, explainer = Weighted(make_weights(32, 4, outputs=3)), Rise(samples=40, batch_size=16)
    explainer(model, torch.zeros(1, 1, 32, 32, dtype=torch.uint8), [[2, 0, 1]])
    assert sum(model.seen) == explainer.passes(3) == 40
