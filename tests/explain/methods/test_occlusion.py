import numpy as np
import pytest
import torch
from helpers.known_answers import Weighted, make_weights
from scipy.stats import spearmanr

from chexpert.explain import Occlusion
from chexpert.explain.methods.occlusion import place_patches


def test_patches_cover_all_pixels_and_corners_once():
    cover = np.zeros((30, 20))
    for window in place_patches(0.25, 7, 30, 20):
        cover[window] += 1
    assert cover.min() == 1
    assert cover[0, 0] == cover[-1, -1] == cover[0, -1] == 1
    assert cover.max() <= 9


@pytest.mark.parametrize(("patch", "stride"), [(0.3, 0.3), (0.1, 0.1), (0.125, 0.0625), (0.07, 0.5), (1, 0.5)])
def test_every_pixel_is_covered_for_any_patch_stride_and_size(patch, stride):
    for height, width in ((64, 64), (34, 51)):
        cover = np.zeros((height, width))
        for window in place_patches(patch, Occlusion(patch, stride).places, height, width):
            cover[window] += 1
        assert cover.min() >= 1


def test_pixel_has_the_mean_drop_over_its_patches():
    weights = np.zeros((1, 4, 4))
    weights[0, 0, 0], weights[0, 3, 3] = 1, -2
    image = torch.full((1, 4, 4), 51, dtype=torch.uint8)  # 0.2
    ((attribution,),) = Occlusion(patch=0.5, stride=0.25, fill="black")(Weighted(weights), image[None], [[0]])
    # windows of 2 pixels at 0, 1, 2: a row's pixels are covered by 1, 2, 2, 1 of them
    half, quarter = 0.2 / 2, 0.2 / 4
    expected = [[0.2, half, 0, 0], [half, quarter, 0, 0], [0, 0, -2 * quarter, -2 * half], [0, 0, -2 * half, -0.4]]
    assert np.allclose(attribution.signed, expected, atol=1e-6)


def test_regions_rank_by_the_weights_of_a_linear_model():
    weights = make_weights(64, smooth=8)
    image = torch.from_numpy(np.random.default_rng(0).integers(140, 160, (1, 64, 64)).astype(np.uint8))
    model = Weighted(weights)
    (attributions,) = Occlusion(patch=1 / 32, stride=1 / 64, fill="black")(model, image[None], [[0, 1]])
    for own, attribution in zip(weights, attributions, strict=True):
        contribution = own * image[0].numpy()
        assert spearmanr(contribution.ravel(), attribution.signed.ravel()).statistic >= 0.99
        strong = abs(contribution) > 0.5 * abs(contribution).std()
        assert (np.sign(attribution.signed) == np.sign(contribution))[strong].all()


def test_passes_do_not_depend_on_the_number_of_outputs():
    model, explainer = Weighted(make_weights(32, 4, outputs=3)), Occlusion(patch=0.25, stride=0.125, batch_size=16)
    explainer(model, torch.zeros(1, 1, 32, 32, dtype=torch.uint8), [[0, 1, 2]])
    assert sum(model.seen) == explainer.passes(3) == 50
