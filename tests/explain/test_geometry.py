import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from chexpert.data import Preprocessing
from chexpert.explain.geometry import carry_back, carry_whole

SHAPES = [(390, 320), (320, 390), (97, 131)]


def ramp(height: int, width: int) -> np.ndarray:
    """0 to 1 along x, 0 to 2 along y, at pixel centers of an image."""
    y, x = np.mgrid[:height, :width]
    return (x / width + 2 * y / height).astype("float32")


def resample(original: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Return a linear image as the model sees it: its values at the points that the matrix gives."""
    y, x = np.mgrid[:size, :size]
    back = np.linalg.inv(matrix)
    across, down = back[0, 0] * x + back[0, 2], back[1, 1] * y + back[1, 2]
    return (across / original.shape[1] + 2 * down / original.shape[0]).astype("float32")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_linear_ramp_is_carried_back_unchanged(shape, fit):
    preprocessing, original = Preprocessing(64, fit), ramp(*shape)
    matrix = preprocessing.matrix(*shape)
    back = carry_back(resample(original, matrix, 64), matrix, *shape)
    y, x = (matrix[k, k] * np.arange(shape[1 - k]) + matrix[k, 2] for k in (1, 0))
    inner = ((y >= 0) & (y <= 63))[:, None] & ((x >= 0) & (x <= 63))[None]  # beyond the outer pixel centers it is flat
    assert inner.mean() > 0.6
    assert abs(back - original)[inner].max() < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_pixel_is_carried_back_to_its_place(shape, fit):
    preprocessing, (row, column) = Preprocessing(64, fit), (shape[0] // 3, int(shape[1] / 1.7))
    original = np.zeros(shape, dtype=np.uint8)
    original[row - 6 : row + 7, column - 6 : column + 7] = 255  # wide enough to outlive being scaled down
    back = carry_back(preprocessing.apply(original).astype("float32"), preprocessing.matrix(*shape), *shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    assert (back * y).sum() / back.sum() == pytest.approx(row, abs=0.5)
    assert (back * x).sum() / back.sum() == pytest.approx(column, abs=0.5)


@pytest.mark.parametrize("shape", SHAPES)
def test_stretched_map_equals_torch_bilinear_upsampling(shape):
    maps = np.random.default_rng(0).normal(size=(2, 64, 64)).astype("float32")
    theirs = interpolate(torch.tensor(maps)[None], shape, mode="bilinear", align_corners=False)[0].numpy()
    assert abs(carry_back(maps, Preprocessing(64).matrix(*shape), *shape) - theirs).max() < 1e-4


@pytest.mark.parametrize(("shape", "seen"), [((390, 320), np.s_[35:355, :]), ((320, 390), np.s_[:, 35:355])])
def test_cropped_margin_is_0(shape, seen):
    back = carry_back(np.ones((64, 64)), Preprocessing(64, "crop").matrix(*shape), *shape)
    expected = np.zeros(shape)
    expected[seen] = 1
    assert (back == expected).all()


def test_only_the_padding_of_a_padded_image_is_lost():
    back = carry_back(np.ones((64, 64)), Preprocessing(64, "pad").matrix(390, 320), 390, 320)
    assert abs(back - 1).max() < 1e-6


def test_whole_map_of_a_stretched_image_is_the_map_of_the_model():
    signed = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    assert carry_whole(signed, Preprocessing(64).matrix(390, 320), (390, 320)) is signed


@pytest.mark.parametrize(("fit", "shape"), [("crop", (78, 64)), ("pad", (64, 53))])
def test_whole_map_has_the_proportions_of_the_image(fit, shape):
    whole = carry_whole(np.ones((64, 64), dtype="float32"), Preprocessing(64, fit).matrix(390, 320), (390, 320))
    assert whole.shape == shape
    assert abs(whole.sum(0) - 64).max() < 1e-4  # all that the model saw of each column, and no more
