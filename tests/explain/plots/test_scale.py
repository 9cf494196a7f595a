import numpy as np
import pytest

from chexpert.explain.plots.scale import COLORS, Scale


def test_maps_share_the_scale_of_the_greatest_of_either_sign():
    scale = Scale.of([np.array([[0.1, -4.0]]), np.array([[2.0, 0.0]])])
    assert scale.limit == 4
    assert scale.shares(np.array([[2.0, -4.0, 0.0]])).tolist() == [[0.5, -1.0, 0.0]]


def test_spot_sets_the_scale_and_a_single_pixel_does_not():
    signed = np.full((64, 64), 0.1)
    signed[20, 20] = -2.1
    assert Scale.of([signed]).limit == pytest.approx((2.1 + 3 * 0.1) / 4)  # the mean of 2 x 2 pixels
    signed[20:22, 20:22] = -2.1
    assert Scale.of([signed]).limit == pytest.approx(2.1)


@pytest.mark.parametrize(("greatest", "silent"), [(-1.0, True), (0.0, True), (0.019, True), (0.021, False)])
def test_map_below_2_percent_of_its_scale_is_silent(greatest, silent):
    assert Scale(1.0).is_silent(np.array([[-1.0, greatest]])) is silent


def test_zero_map_is_silent():
    zeros = np.zeros((2, 2))
    scale = Scale.of([zeros])
    assert scale.shares(zeros).tolist() == [[0, 0], [0, 0]]
    assert scale.is_silent(zeros)


def test_positive_is_red_negative_blue_and_zero_transparent():
    against, least, strongest = COLORS([0.0, 0.5, 1.0])
    assert strongest[0] > 2 * strongest[2]
    assert against[2] > 2 * against[0]
    assert strongest[3] == against[3] == pytest.approx(0.8)
    assert least[3] < 0.01
