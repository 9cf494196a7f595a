"""From image file to model input, on images small enough to compute by hand."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from chexpert.data.preprocessing import MAX_PIXELS, Preprocessing, read_gray
from chexpert.problem import ProblemError

WIDE = np.array([[10, 20, 30, 40], [50, 60, 70, 80]], dtype=np.uint8)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def test_halving_averages_blocks_of_four():
    film = np.array([[0, 4, 10, 14], [8, 12, 18, 22], [100, 104, 200, 204], [108, 112, 208, 212]], dtype=np.uint8)
    assert Preprocessing(2).apply(film).tolist() == [[6, 16], [106, 206]]


def test_a_bright_speck_is_averaged_over_its_block():
    film = np.zeros((16, 16), dtype=np.uint8)
    film[0, 0] = 192
    assert Preprocessing(2).apply(film).tolist() == [[192 / 64, 0], [0, 0]]


def test_a_film_of_the_right_size_is_left_as_it_is():
    film = noise(16, 16)
    for fit in ("stretch", "crop", "pad"):
        assert (Preprocessing(16, fit).apply(film) == film).all()


def test_stretch_carries_each_side_to_the_size():
    assert Preprocessing(2, "stretch").apply(WIDE).tolist() == [[15, 35], [55, 75]]


def test_crop_takes_the_middle_square():
    assert Preprocessing(2, "crop").apply(WIDE).tolist() == [[20, 30], [60, 70]]


def test_crop_of_a_tall_film_takes_the_middle_rows():
    assert Preprocessing(2, "crop").apply(WIDE.T.copy()).tolist() == [[20, 60], [30, 70]]


def test_pad_surrounds_the_film_with_black():
    expected = [[0, 0, 0, 0], *WIDE.tolist(), [0, 0, 0, 0]]
    assert Preprocessing(4, "pad").apply(WIDE).tolist() == expected


def test_a_gradient_keeps_its_place_when_it_shrinks():
    film = np.tile(np.arange(96, dtype=np.uint8), (96, 1))
    for size in (12, 32):
        factor = 96 // size
        columns = np.arange(size) * factor + (factor - 1) / 2  # the centre of each block of pixels
        assert np.abs(Preprocessing(size).apply(film) - columns).max() <= 0.5


@pytest.mark.parametrize("fit", ["stretch", "crop"])
@pytest.mark.parametrize(
    ("height", "width", "size"), [(390, 320, 224), (5, 5, 2), (283, 233, 22), (20, 20, 32), (39, 32, 64)]
)
def test_a_uniform_film_stays_uniform_up_to_its_edges(fit, height, width, size):
    film = np.full((height, width), 200, dtype=np.uint8)
    assert np.unique(Preprocessing(size, fit).apply(film)).tolist() == [200]


def test_an_augmentation_that_does_nothing_changes_nothing():
    film = noise(283, 233)
    assert (Preprocessing(22).apply(film, np.eye(3)) == Preprocessing(22).apply(film)).all()


def test_an_augmentation_acts_in_model_coordinates():
    shift = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1.0]])
    assert Preprocessing(2).apply(WIDE, shift).tolist() == [[0, 15], [0, 55]]


def test_a_file_becomes_one_uint8_channel(tmp_path):
    image = Preprocessing(8)(save(tmp_path / "film.jpg", noise(40, 32)))
    assert (tuple(image.shape), image.dtype) == ((1, 8, 8), torch.uint8)


def test_colour_becomes_gray_as_pillow_does_it(tmp_path):
    path = save(tmp_path / "film.jpg", noise(32, 32, 3))
    assert (Preprocessing(32)(path)[0].numpy() == np.asarray(Image.open(path).convert("L"))).all()


def test_sixteen_bits_keep_their_high_byte(tmp_path):
    path = save(tmp_path / "film.png", np.array([[3000, 65535], [0, 255]], dtype=np.uint16))
    assert read_gray(path).tolist() == [[11, 255], [0, 0]]


def test_a_mode_without_a_gray_meaning_is_refused(tmp_path):
    Image.new("CMYK", (4, 4)).save(tmp_path / "film.jpg")
    with pytest.raises(ProblemError, match="image mode CMYK"):
        read_gray(tmp_path / "film.jpg")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_jpeg_is_refused_with_its_path(tmp_path, share):
    path = save(tmp_path / "film.jpg", noise(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ProblemError, match=r"cannot be read(?s:.*)film\.jpg"):
        read_gray(path)


def test_a_missing_file_is_told_with_its_path(tmp_path):
    with pytest.raises(ProblemError, match=r"this image is missing(?s:.*)film\.jpg"):
        read_gray(tmp_path / "film.jpg")


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_what_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "film.jpg"
    path.write_bytes(content)
    with pytest.raises(ProblemError, match=r"cannot be read(?s:.*)film\.jpg"):
        read_gray(path)


@pytest.mark.parametrize("side", [8001, 20_000])
def test_an_image_that_claims_too_many_pixels_is_refused(tmp_path, side):
    assert side * side > MAX_PIXELS
    path = save(tmp_path / "film.png", noise(4, 4))
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", side, side)  # IHDR: width and height, then a checksum after 17 bytes
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    with pytest.raises(ProblemError, match="pixels"):
        read_gray(path)
