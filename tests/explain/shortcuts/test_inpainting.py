import numpy as np
import pytest

from chexpert.explain.shortcuts.inpainting import grow, inpaint, place_controls


@pytest.fixture
def region():
    region = np.zeros((64, 64), dtype=bool)
    region[14:20, 12:18] = True
    region[20, 12] = True  # not symmetric
    return region


@pytest.fixture
def body():
    body = np.zeros((64, 64), dtype=bool)
    body[4:60, 6:58] = True
    return body


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


def test_controls_have_the_same_shape_and_lie_in_the_free_body(region, body):
    controls = place_controls(region, body, 20, np.random.default_rng(0))
    assert len(controls) == 20
    for control in controls:
        assert control.sum() == region.sum()
        assert not (control & ~body).any()
        assert not (control & region).any()
        assert crop(control).tolist() in (crop(region).tolist(), crop(region)[:, ::-1].tolist())


def test_controls_lie_in_different_places(region, body):
    controls = place_controls(region, body, 20, np.random.default_rng(0))
    assert len({control.tobytes() for control in controls}) > 10


def test_body_without_room_has_no_controls(body):
    assert place_controls(body, body, 2, np.random.default_rng(0)) == []
    assert place_controls(np.zeros_like(body), body, 2, np.random.default_rng(0)) == []


def crop(region):
    rows, columns = np.nonzero(region)
    return region[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
