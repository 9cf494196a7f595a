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
def test_fill_is_an_image_of_the_same_size(original, kind):
    filled = fill_image(original, kind)
    assert filled.shape == original.shape
    assert filled.dtype == np.uint8


def test_black_is_0_everywhere(original):
    assert (fill_image(original, "black") == 0).all()


def test_mean_is_the_mean_gray_of_the_body(original):
    assert original.mean() < 80
    mean = original[original > 0].mean()
    assert abs(int(fill_image(original, "mean")[0, 0]) - mean) < 10  # the body has a soft edge


def test_flat_image_keeps_its_gray_under_every_fill_but_black():
    even = np.full((64, 64), 77, dtype=np.uint8)
    for kind in ("blur", "mean", "local"):
        assert (fill_image(even, kind) == 77).all()


def test_local_fill_removes_a_finding_and_blur_does_not(original):
    assert abs(int(fill_image(original, "local")[66, 66]) - 100) <= 3
    assert fill_image(original, "blur")[66, 66] >= 110


def test_local_fill_near_the_border_is_the_body(original):
    assert fill_image(original, "local")[64, 10] >= 95


def test_unknown_fill_is_a_value_error_with_the_known_ones(original):
    with pytest.raises(ValueError, match=r"blur, mean, local, black.*'white'"):
        fill_image(original, "white")
