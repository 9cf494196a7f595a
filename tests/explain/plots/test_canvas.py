import numpy as np
import pytest
from skimage.measure import find_contours

from chexpert.explain.plots.canvas import LONGEST, Canvas


@pytest.mark.parametrize(("shape", "expected"), [((40, 32), (40, 32)), ((2828, 2320), (512, 420))])
def test_large_image_is_reduced_in_its_proportions(make_view, shape, expected):
    canvas = Canvas.of(make_view(shape))
    assert canvas.image.shape == expected
    assert max(expected) <= LONGEST
    assert canvas.size(2.0) == pytest.approx((2 * expected[1] / expected[0], 2))


def test_map_lies_on_a_reduced_image_as_on_the_image(make_view):
    view = make_view((1024, 840), "crop")
    signed = np.random.default_rng(0).normal(size=(16, 16)).astype("float32")
    placed, whole = Canvas.of(view).place(signed), view.carry_back(signed)
    halved = whole.reshape(512, 2, 420, 2).mean((1, 3))
    assert abs(placed - halved)[47:-47].max() < 0.05  # where bilinear pieces meet
    assert (placed[:45] == 0).all()  # cut off


def test_outline_surrounds_a_mask_even_of_one_pixel_at_the_edge(make_view):
    canvas = Canvas.of(make_view((40, 32)))
    mask = np.zeros((40, 32), dtype=bool)
    mask[10:20, 5:15] = True
    (line,) = canvas.outline(mask)
    assert (line.min(0).tolist(), line.max(0).tolist()) == ([4.5, 9.5], [14.5, 19.5])  # x, y
    mask[:] = False
    mask[39, 31] = True
    (line,) = canvas.outline(mask)
    assert (line[0] == line[-1]).all()
    assert line.mean(0) == pytest.approx([31, 39], abs=0.3)


def test_outline_is_scaled_with_a_reduced_image(make_view):
    canvas = Canvas.of(make_view((1024, 1024)))
    mask = np.zeros((1024, 1024), dtype=bool)
    mask[200:400, 600:800] = True
    (line,) = canvas.outline(mask)
    assert line.min(0).tolist() == [299.5, 99.5]
    assert line.max(0).tolist() == [399.5, 199.5]


def test_outline_of_a_larger_mask_lies_on_the_same_place(make_view):
    canvas = Canvas.of(make_view((40, 32)))
    mask = np.zeros((40, 32), dtype=bool)
    mask[10:20, 5:15] = True
    (line,) = canvas.outline(np.kron(mask, np.ones((8, 8), dtype=bool)))
    assert (line.min(0).tolist(), line.max(0).tolist()) == ([4.5, 9.5], [14.5, 19.5])  # x, y


def test_outline_is_that_of_the_whole_mask(make_view):
    canvas, rng = Canvas.of(make_view((40, 32))), np.random.default_rng(0)
    assert canvas.outline(np.zeros((40, 32), dtype=bool)) == []
    for _ in range(20):
        mask = np.zeros((40, 32), dtype=bool)
        top, left = rng.integers(0, 25, 2)
        mask[top : top + 15, left : left + 9] = rng.random((15, min(9, 32 - left))) < 0.5
        whole = [line[:, ::-1] - 1 for line in find_contours(np.pad(mask, 1).astype(float), 0.5)]
        for one, other in zip(canvas.outline(mask), whole, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
