"""Scores of one map against one mask."""

import math

import numpy as np
import pytest

from chexpert.metrics import chance, grid_ceiling, hit, normalize_hit, rank_accuracy, relevance_mass
from chexpert.metrics.localization.map_scores import contains_cell

MAP = np.array([[0.1, 0.2, 0.9], [0.4, 0.0, 0.3]], "float32")
CORNER = np.array([[0, 0, 1], [0, 0, 0]], bool)
EMPTY = np.zeros((2, 3), bool)


def put(rows, columns, shape=(8, 8)):
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def test_peak_in_the_mask_is_a_hit():
    assert hit(MAP, CORNER) == 1.0
    assert hit(MAP, ~CORNER) == 0.0


def test_first_of_equal_peaks_counts():
    peaks = np.array([[0, 0, 1], [1, 0, 0]], "float32")
    assert hit(peaks, CORNER) == 1.0
    assert hit(peaks, np.array([[0, 0, 0], [1, 0, 0]], bool)) == 0.0


def test_hit_without_mask_or_peak_is_undefined():
    assert math.isnan(hit(MAP, EMPTY))
    assert math.isnan(hit(np.full((2, 3), 0.5), np.ones((2, 3), bool)))


def test_mask_as_map_always_hits():
    rng = np.random.default_rng(0)
    masks = rng.random((50, 12, 9)) < 0.2
    assert all(hit(mask.astype("float32"), mask) == 1 for mask in masks)


def test_hit_rate_of_random_maps_is_the_share_of_the_mask():
    rng = np.random.default_rng(0)
    mask = put(slice(0, 4), slice(0, 5), (10, 10))
    rate = np.mean([hit(rng.random((10, 10)), mask) for _ in range(3000)])
    assert chance(mask) == pytest.approx(0.2)
    assert rate == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("score", [hit, relevance_mass, rank_accuracy])
def test_map_of_another_shape_or_not_finite_is_an_error(score):
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2, 3\)"):
        score(MAP.T, CORNER)
    with pytest.raises(ValueError, match="finite"):
        score(np.where(CORNER, np.nan, MAP), CORNER)


def test_ceiling_is_the_share_of_masks_with_a_cell_center():
    # 2 x 2 cells over 8 x 8 pixels have their centers on the corner between four pixels; (2, 2) is the one counted
    reached, missed = put(2, 2), put(slice(3, 6), slice(None))
    assert grid_ceiling([reached, missed, put(6, 2)], [(2, 2)] * 3) == pytest.approx(2 / 3)


def test_ceiling_with_several_sizes_and_without_a_grid():
    thin = put(0, slice(None), (3, 5))
    assert grid_ceiling([thin, put(1, 1, (3, 3))], [(1, 1), [1, 1]]) == 0.5
    assert grid_ceiling([thin, put(1, 1, (3, 3))], [None, (1, 1)]) == 1.0


def test_ceiling_of_one_pixel_cells_is_1():
    rng = np.random.default_rng(0)
    masks = [rng.random((7, 9)) < 0.05 for _ in range(30)]
    assert grid_ceiling(masks, [(7, 9)] * 30) == 1.0


def test_ceiling_ignores_empty_masks():
    assert math.isnan(grid_ceiling([EMPTY], [(2, 2)]))
    assert grid_ceiling([EMPTY, CORNER], [(2, 3), (2, 3)]) == 1.0


def test_cell_centers_of_a_crop_are_mapped_back():
    # the model saw columns 4 to 11 of an image of 8 x 16 at twice the size, as 16 x 16
    matrix = np.array([[2, 0, 2 * -4 + 0.5], [0, 2, 0.5], [0, 0, 1]])
    one_cell = (1, 1)  # its center, (7.5, 7.5) in the map, is at column 4 + 3.5, row 3.5
    assert contains_cell(put(4, 8, (8, 16)), one_cell, matrix, (16, 16)) == 1.0
    assert contains_cell(put(4, 4, (8, 16)), one_cell, matrix, (16, 16)) == 0.0


def test_cell_centers_outside_the_image_are_ignored():
    matrix = np.array([[1, 0, 8], [0, 1, 0], [0, 0, 1]])  # padded by 8 columns on the left
    everything = np.ones((8, 8), bool)
    assert contains_cell(everything, (1, 4), matrix, (8, 16)) == 1.0
    assert contains_cell(everything, (1, 1), matrix - [[0, 0, 20], [0, 0, 0], [0, 0, 0]], (8, 16)) == 0.0


def test_normalized_hit_rate_is_0_at_chance_and_1_at_ceiling():
    assert normalize_hit(0.1, 0.1, 0.9) == 0.0
    assert normalize_hit(0.9, 0.1, 0.9) == 1.0
    assert normalize_hit(0.0, 0.1, 0.9) == pytest.approx(-0.125)


@pytest.mark.parametrize("values", [(math.nan, 0.1, 0.9), (0.5, math.nan, 0.9), (0.5, 0.1, math.nan), (0.5, 0.5, 0.5)])
def test_normalized_hit_rate_of_an_undefined_part_is_nan(values):
    assert math.isnan(normalize_hit(*values))


def test_relevance_mass_counts_only_positive_evidence():
    signed = np.array([[-5, 1, 3], [0, 0, 0]], "float32")
    assert relevance_mass(signed, CORNER) == 0.75
    assert relevance_mass(signed, ~CORNER) == 0.25


def test_relevance_mass_without_evidence_or_mask_is_nan():
    assert math.isnan(relevance_mass(-MAP, CORNER))
    assert math.isnan(relevance_mass(MAP, EMPTY))


def test_constant_map_scores_the_share_of_the_mask():
    even = np.ones((8, 8), "float32")
    mask = put(slice(0, 2), slice(0, 4))
    assert relevance_mass(even, mask) == pytest.approx(0.125)
    assert rank_accuracy(even, mask) == pytest.approx(0.125)


def test_rank_accuracy_is_the_share_of_top_pixels_in_the_mask():
    assert rank_accuracy(MAP, np.array([[0, 0, 1], [0, 0, 1]], bool)) == 0.5  # highest: .9 and .4
    assert rank_accuracy(MAP, np.array([[0, 0, 1], [1, 0, 0]], bool)) == 1.0
    assert math.isnan(rank_accuracy(MAP, EMPTY))


def test_ties_at_the_last_rank_count_by_expected_share():
    tied = np.array([[0, 1, 2], [1, 1, 0]], "float32")  # two of the three 1 do not fit
    assert rank_accuracy(tied, np.array([[0, 0, 1], [1, 0, 0]], bool)) == pytest.approx((1 + 1 / 3) / 2)
