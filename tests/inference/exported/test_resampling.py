"""Resampling by tensors against the project's own, which OpenCV does."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from chexpert.data.decoding import decode
from chexpert.data.preprocessing import Preprocessing
from chexpert.image_size import ImageSize
from chexpert.inference.exported.resampling import Resampling

WHOLE = torch.zeros(2, dtype=torch.int64)
"""No smaller reading of a JPEG."""
SIZES = [(64, 64), (320, 390), (390, 320), (33, 500), (700, 701), (65, 64), (129, 640), (192, 192), (128, 128)]


def paint(high, wide, seed=0):
    """An image with edges at all scales."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (high // 16 + 1, wide // 16 + 1)).repeat(16, 0).repeat(16, 1)[:high, :wide]
    return (coarse + rng.integers(0, 56, (high, wide))).astype(np.uint8)


def resample(image, size, fit, file_size=WHOLE):
    return Resampling(ImageSize.of(size), fit)(torch.tensor(image)[None], file_size)[0, 0].numpy()


def compare(ours, theirs):
    """Return the largest difference in grays, and the share of pixels that differ."""
    apart = np.abs(ours.astype(int) - theirs.astype(int))
    return apart.max(), (apart > 0).mean()


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("size", [64, [96, 80]])
def test_stretched_images_are_the_same_to_the_last_bit(shape, size):
    image = paint(*shape)
    expected = Preprocessing(size, "stretch").apply(image)
    assert compare(resample(image, size, "stretch"), expected) == (0, 0)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [64, [96, 80]])
def test_cropped_and_padded_images_are_the_same_to_the_last_bit(shape, fit, size):
    image = paint(*shape)
    assert compare(resample(image, size, fit), Preprocessing(size, fit).apply(image)) == (0, 0)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(300, 260), (700, 900), (1500, 1111)])
def test_a_jpeg_that_is_read_smaller(tmp_path, fit, shape):
    file = tmp_path / "image.jpg"
    Image.fromarray(paint(*shape)).save(file, quality=95)
    decoded = decode(file.read_bytes(), ImageSize(64, 64))
    assert decoded.reduced > 1
    size = torch.tensor([decoded.height, decoded.width])
    ours = resample(decoded.gray, 64, fit, size)
    assert compare(ours, Preprocessing(64, fit).read(file)) == (0, 0)


def test_blocks_of_many_pixels_differ_by_one_gray_in_few_pixels():
    image = paint(1990, 1500)
    most, share = compare(resample(image, 64, "stretch"), Preprocessing(64, "stretch").apply(image))
    assert most <= 1
    assert share <= 0.01


def test_a_batch_is_resampled_as_its_images_are():
    images = np.stack([paint(90, 70, seed) for seed in range(3)])
    together = Resampling(ImageSize(32, 32), "crop")(torch.from_numpy(images), WHOLE)
    assert together.shape == (3, 1, 32, 32)
    assert together.dtype == torch.uint8
    for own, image in zip(together, images, strict=True):
        assert (own[0].numpy() == resample(image, 32, "crop")).all()


def test_float_grays_are_rounded():
    image = paint(40, 50)
    assert (resample(image + np.float32(0.4), 32, "stretch") == resample(image, 32, "stretch")).all()


def test_jpeg_bytes_are_what_the_test_thinks():
    buffer = io.BytesIO()
    Image.fromarray(paint(640, 640)).save(buffer, "JPEG")
    assert decode(buffer.getvalue(), ImageSize(64, 64)).gray.shape == (80, 80)
