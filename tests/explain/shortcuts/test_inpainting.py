import numpy as np
import pytest

from chexpert.explain.shortcuts.inpainting import grow, inpaint


@pytest.fixture
def region():
    region = np.zeros((64, 64), dtype=bool)
    region[14:20, 12:18] = True
    region[20, 12] = True  # not symmetric
    return region


def test_filling_changes_only_the_region_to_its_surroundings(region):
    original = np.full((64, 64), 100, dtype=np.uint8)
    original[region] = 240
    original[50:, :] = 7
    filled = inpaint(original, region)
    assert (filled[~region] == original[~region]).all()
    assert abs(filled[region].astype(int) - 100).max() <= 2  # of 140: the method extrapolates slopes


def test_margin_is_a_64th_of_the_side_and_at_least_one_pixel():
    for side, reach in ((40, 1), (64, 1), (128, 2), (224, 4)):
        dot = np.zeros((side, side), dtype=bool)
        dot[20, 20] = True
        rows, columns = np.nonzero(grow(dot))
        assert (rows.min(), rows.max()) == (20 - reach, 20 + reach)
        assert (columns.min(), columns.max()) == (20 - reach, 20 + reach)
