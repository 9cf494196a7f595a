"""Masks of v1.0 on images of v1.0-small: the scores of a map are those on the image of v1.0, in every geometry."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from chexpert.data import Preprocessing
from chexpert.data.preprocessing import FITS
from chexpert.explain.attribution import Attribution
from chexpert.explain.quality.view_scores import locate
from chexpert.explain.shortcuts.case import to_case
from chexpert.explain.view import make_view

LARGE, SMALL = (580, 707), (320, 390)
SIDES = [(64, 64), (48, 80)]


def smooth(seed, shape, width):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), width).astype("float32")


def make_mask(seed, share=0.9):
    field = cv2.resize(smooth(seed, (29, 35), 2), LARGE[::-1], interpolation=cv2.INTER_LINEAR)
    return field > np.quantile(field, share)


def make_pair(preprocessing, mask):
    """A large image and its small copy, both with the large mask."""
    large = np.random.default_rng(0).integers(0, 256, LARGE, dtype=np.uint8)
    small = cv2.resize(large, SMALL[::-1], interpolation=cv2.INTER_AREA)
    views = [make_view("a", image, preprocessing) for image in (large, small)]
    for view in views:
        object.__setattr__(view, "masks", {"Edema": mask})
    return views


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("sides", SIDES)
def test_scores_on_small_images_are_those_on_large_ones(sides, fit):
    preprocessing, defined = Preprocessing(sides, fit), 0
    for seed in range(2):
        views = make_pair(preprocessing, make_mask(seed))
        for width in (2, 6):
            signed = smooth(seed + 50, sides, width)
            signed += 0.5 * np.abs(signed).max() * (preprocessing.apply(make_mask(seed).astype(np.uint8) * 255) / 255)
            attribution = Attribution(signed, {}, {"grid": [sides[0] // 8, sides[1] // 8]})
            one, other = (locate(view, "Edema", attribution, True) for view in views)
            assert set(one) == {"hit", "chance", "reachable", "mass", "rank_accuracy", "iou", "right"}
            assert other == pytest.approx(one, rel=0.01, nan_ok=True)
            defined += np.isfinite(one["iou"])
    assert defined == 4


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("sides", SIDES)
def test_regions_of_shortcuts_are_those_of_the_large_image(sides, fit):
    preprocessing = Preprocessing(sides, fit)
    views = make_pair(preprocessing, make_mask(1))
    one, other = (to_case(view, preprocessing).regions["Edema"] for view in views)
    assert one.shape == sides
    assert one.any()
    assert (one == other).all()


def test_small_mask_lies_over_the_whole_large_image():
    view = make_view("a", np.zeros(LARGE, np.uint8), Preprocessing(64, "pad"))
    spot = np.zeros(SMALL, bool)
    spot[100:140, 200:260] = True
    seen = Preprocessing(64, "pad").apply(spot.astype(np.uint8) * 255).astype("float32")
    y, x = np.argwhere(view.carry_back(seen, SMALL) > 127).mean(0)
    assert (y, x) == pytest.approx((119.5, 229.5), abs=2)
