"""Segmentations of maps, and their overlap with masks."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from chexpert.metrics import iou, segment_above, segment_otsu
from chexpert.metrics.localization.overlap import segment, upsample_array

RING = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 1, 0, 0, 0, 1, 0],
        [0, 1, 0, 1, 0, 1, 0],
        [0, 1, 0, 0, 0, 1, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    "float32",
)
EMPTY = np.zeros((1, 3), bool)
LEFT = np.array([[1, 1, 0]], bool)
RIGHT = np.array([[0, 1, 1]], bool)


@pytest.mark.parametrize("true_positives_only", [True, False])
def test_iou_is_intersection_over_union(true_positives_only):
    assert iou(LEFT, RIGHT, true_positives_only=true_positives_only) == pytest.approx(1 / 3)
    assert iou(LEFT, LEFT, true_positives_only=true_positives_only) == 1.0


def test_iou_of_disjoint_masks_is_0():
    assert iou(LEFT & ~RIGHT, RIGHT & ~LEFT, true_positives_only=True) == 0.0


@pytest.mark.parametrize(("predicted", "truth"), [(EMPTY, LEFT), (LEFT, EMPTY)])
def test_miss_and_false_positive_count_0_over_all_images_only(predicted, truth):
    assert iou(predicted, truth, true_positives_only=False) == 0.0
    assert math.isnan(iou(predicted, truth, true_positives_only=True))


@pytest.mark.parametrize("true_positives_only", [True, False])
def test_iou_of_empty_masks_is_nan(true_positives_only):
    assert math.isnan(iou(EMPTY, EMPTY, true_positives_only=true_positives_only))


def test_masks_of_two_sizes_are_an_error():
    with pytest.raises(ValueError, match=r"\(1, 3\).*\(3, 1\)"):
        iou(LEFT, LEFT.T, true_positives_only=True)


def test_upsampling_is_bilinear_between_pixel_centers():
    assert upsample_array(np.array([[0.0, 1.0]]), 1, 4).tolist() == [[0, 0.25, 0.75, 1]]


def test_otsu_separates_two_levels_and_fills_holes():
    filled = np.zeros((7, 7), bool)
    filled[1:6, 1:6] = True
    assert (segment_otsu(RING) == filled).all()


def test_fixed_threshold_fills_no_hole():
    assert (segment_above(RING, 0.5) == (RING > 0)).all()


def test_map_is_rescaled_before_an_exclusive_threshold():
    signed = np.array([[-1, 0, 1, 3]], "float32")  # 0, .25, .5, 1
    assert segment_above(signed, 0.25).tolist() == [[False, False, True, True]]
    assert segment_above(signed, 0.5).tolist() == [[False, False, False, True]]


def test_otsu_drops_a_single_pixel_but_not_two():
    lone = np.zeros((6, 8), "float32")
    lone[1, 1] = 1
    lone[3, 4:6] = 1
    assert np.argwhere(segment_otsu(lone)).tolist() == [[3, 4], [3, 5]]


def test_otsu_keeps_pixels_that_touch_at_a_corner():
    corner = np.zeros((6, 8), "float32")
    corner[2, 2] = corner[3, 3] = 1
    assert segment_otsu(corner).sum() == 2


def test_constant_map_has_no_segmentation():
    assert not segment_otsu(np.full((4, 5), 0.7)).any()
    assert not segment_above(np.full((4, 5), 0.7), 0.0).any()


def test_several_thresholds_match_single_ones():
    map = gaussian_filter(np.random.default_rng(0).normal(size=(40, 31)), 4)
    otsu, *above = segment(map, ["otsu", 0.2, 0.7])
    assert (otsu == segment_otsu(map)).all()
    assert all((one == segment_above(map, t)).all() for one, t in zip(above, (0.2, 0.7), strict=True))


def test_segmentation_does_not_change_the_map():
    map = RING.copy() * 2
    segment_otsu(map)
    assert (map == RING * 2).all()


def test_mask_as_map_overlaps_almost_fully():
    rng = np.random.default_rng(0)
    for _ in range(20):
        lesion = gaussian_filter(rng.normal(size=(90, 71)), 8)
        mask = lesion > np.quantile(lesion, 0.9)
        assert iou(segment_otsu(mask.astype("float32")), mask, true_positives_only=True) >= 0.95
        assert iou(segment_above(mask.astype("float32"), 0.4), mask, true_positives_only=True) == 1.0
