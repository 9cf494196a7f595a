import numpy as np
import pytest

from chexpert.explain.methods.fills import FILLS, fill_image


@pytest.fixture
def original() -> np.ndarray:
    """An even body of gray 100 with a bright square of 12 pixels, on a black surround."""
    original = np.zeros((128, 128), dtype=np.uint8)
    original[8:120, 8:120] = 100
    original[60:72, 60:72] = 250
    return original


@pytest.mark.parametrize("kind", FILLS)
def test_a_fill_is_a_film_of_the_same_size(original, kind):
    filled = fill_image(original, kind)
    assert filled.shape == original.shape
    assert filled.dtype == np.uint8


def test_black_is_0_everywhere(original):
    assert (fill_image(original, "black") == 0).all()


def test_mean_is_the_mean_gray_of_the_body_without_the_surround(original):
    assert original.mean() < 80
    assert (
        abs(int(fill_image(original, "mean")[0, 0]) - original[original > 0].mean()) < 10
    )  # the body's edge is drawn softly


def test_an_even_film_keeps_its_gray_under_every_fill_but_black():
    even = np.full((64, 64), 77, dtype=np.uint8)
    for kind in ("blur", "mean", "local"):
        assert (fill_image(even, kind) == 77).all()


def test_the_surroundings_of_a_finding_do_not_hold_it_but_its_blur_does(original):
    assert abs(int(fill_image(original, "local")[66, 66]) - 100) <= 3
    assert fill_image(original, "blur")[66, 66] >= 110


def test_near_the_border_of_the_body_the_surroundings_are_the_body_and_not_the_black(original):
    assert fill_image(original, "local")[64, 10] >= 95


def test_an_unknown_kind_is_told_with_the_known_ones(original):
    with pytest.raises(ValueError, match="blur, mean, local, black, not 'white'"):
        fill_image(original, "white")
