import numpy as np

from chexpert.explain.methods.superpixels import find_body, segment


def make_image() -> np.ndarray:
    """A grainy bright body with two dark lungs on a black surround."""
    original = np.zeros((192, 192), dtype=np.uint8)
    original[20:180, 40:160] = 180
    original[50:120, 56:90] = original[50:120, 110:144] = 60
    grain = np.random.default_rng(0).integers(0, 20, original.shape)
    return np.where(original > 0, original + grain, original).astype(np.uint8)


def test_body_includes_the_lungs_and_not_the_black_surround():
    body = find_body(make_image())
    assert body[80, 70]
    assert body[30, 100]
    assert not body[2, 2]
    assert not body[100, 10]


def test_superpixels_number_from_1_without_gaps_and_0_is_outside():
    segments = segment(make_image(), 30)
    assert sorted(set(segments.ravel().tolist())) == list(range(segments.max() + 1))
    assert 20 <= segments.max() <= 40
    assert segments[2, 2] == 0
    assert segments[80, 70] > 0


def test_image_without_a_surround_has_no_outside():
    noise = np.random.default_rng(0).integers(100, 140, (64, 64)).astype(np.uint8)
    assert segment(noise, 10).min() == 1


def test_black_image_is_one_body():
    assert find_body(np.zeros((32, 32), dtype=np.uint8)).all()
