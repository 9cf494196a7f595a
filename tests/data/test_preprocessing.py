"""From image file to model input, on images small enough to compute by hand."""

import io
import itertools
import math
import struct
import zlib

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image, ImageFile

from chexpert.data.decoding import decode
from chexpert.data.preprocessing import FITS, Preprocessing, read_gray
from chexpert.errors import UserError
from chexpert.image_size import ImageSize

WIDE = np.array([[10, 20, 30, 40], [50, 60, 70, 80]], dtype=np.uint8)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def smooth(height, width):
    """Waves of about a tenth of the image: no detail that a resampling could lose."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (128 + 60 * np.sin(20 * x + 3 * y) + 60 * np.cos(17 * y)).astype(np.uint8)


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def test_halving_averages_blocks_of_four():
    image = np.array([[0, 4, 10, 14], [8, 12, 18, 22], [100, 104, 200, 204], [108, 112, 208, 212]], dtype=np.uint8)
    assert Preprocessing(2).apply(image).tolist() == [[6, 16], [106, 206]]


def test_bright_pixel_is_averaged_over_its_block():
    image = np.zeros((16, 16), dtype=np.uint8)
    image[0, 0] = 192
    assert Preprocessing(2).apply(image).tolist() == [[192 / 64, 0], [0, 0]]


@pytest.mark.parametrize("fit", FITS)
def test_bright_pixel_is_averaged_over_its_block_in_a_rectangle(fit):
    image = np.zeros((16, 24), dtype=np.uint8)
    image[0, 0] = 192
    assert Preprocessing((2, 3), fit).apply(image).tolist() == [[192 / 64, 0, 0], [0, 0, 0]]


def test_image_of_the_right_size_is_unchanged():
    image = noise(16, 16)
    for fit in ("stretch", "crop", "pad"):
        assert (Preprocessing(16, fit).apply(image) == image).all()


@pytest.mark.parametrize(
    ("fit", "image", "expected"),
    [
        ("stretch", WIDE, [[15, 35], [55, 75]]),
        ("crop", WIDE, [[20, 30], [60, 70]]),
        ("crop", WIDE.T.copy(), [[20, 60], [30, 70]]),
        ("pad", WIDE, [[0, 0, 0, 0], *WIDE.tolist(), [0, 0, 0, 0]]),
    ],
)
def test_fitted_image_matches_values_by_hand(fit, image, expected):
    assert Preprocessing(len(expected), fit).apply(image).tolist() == expected


@pytest.mark.parametrize(
    ("fit", "size", "expected"),
    [
        ("stretch", (2, 2), [[15, 35], [55, 75]]),
        ("stretch", (1, 4), [[30, 40, 50, 60]]),
        ("stretch", (2, 1), [[25], [65]]),
        ("crop", (2, 3), [[15, 25, 35], [55, 65, 75]]),
        ("crop", (2, 1), [[25], [65]]),
        ("crop", (1, 4), [[30, 40, 50, 60]]),
        ("pad", (4, 4), [[0] * 4, *WIDE.tolist(), [0] * 4]),
        ("pad", (2, 6), [[0, 10, 20, 30, 40, 0], [0, 50, 60, 70, 80, 0]]),
        ("pad", (2, 2), [[17.5, 27.5]] * 2),  # first blocks of 2 x 2 are averaged
    ],
)
def test_rectangle_matches_values_by_hand(fit, size, expected):
    fitted = Preprocessing(size, fit).apply(WIDE)
    assert fitted.shape == size
    assert np.abs(fitted - np.array(expected, dtype=float)).max() <= 1


def fit_slowly(image, size, fit):
    """Each pixel of the result from the place that its center has on the image, bilinear; black outside for pad.

    For images less than twice too large, of which no blocks are averaged first.
    """
    (height, width), (h, w) = image.shape, size
    y, x = h / height, w / width
    if fit != "stretch":
        y = x = (max if fit == "crop" else min)(x, y)
    out = np.zeros(size)
    for row, column in np.ndindex(*size):
        v = (row + 0.5 - h / 2) / y + height / 2 - 0.5
        u = (column + 0.5 - w / 2) / x + width / 2 - 0.5
        if fit != "pad":
            v, u = min(max(v, 0), height - 1), min(max(u, 0), width - 1)
        for i, j in itertools.product((math.floor(v), math.floor(v) + 1), (math.floor(u), math.floor(u) + 1)):
            if 0 <= i < height and 0 <= j < width:
                out[row, column] += (1 - abs(v - i)) * (1 - abs(u - j)) * image[i, j]
    return out


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(24, 20), (20, 24), (33, 50), (28, 44)])
@pytest.mark.parametrize("shape", [(39, 32), (31, 39), (18, 18)])
def test_rectangle_is_fitted_as_pixel_by_pixel(fit, size, shape):
    image = smooth(*shape)
    fitted = Preprocessing(size, fit).apply(image).astype(float)
    assert np.abs(fitted - fit_slowly(image, size, fit)).max() <= 3  # OpenCV 4 rounds to 1/32 of a pixel


@pytest.mark.parametrize(
    ("fit", "corners"),
    [
        ("stretch", [(-0.5, -0.5), (59.5, 89.5)]),
        ("crop", [(-0.5, -15.5), (59.5, 104.5)]),  # scaled by 0.6, the larger: 60 x 120
        ("pad", [(7, -0.5), (52, 89.5)]),  # by 0.45, the smaller: 45 x 90
    ],
)
def test_matrix_takes_the_corners_of_an_image_to_their_places(fit, corners):
    matrix = Preprocessing((90, 60), fit).matrix(200, 100)
    for corner, expected in zip([(-0.5, -0.5), (99.5, 199.5)], corners, strict=True):
        assert matrix @ [*corner, 1] == pytest.approx([*expected, 1])


@pytest.mark.parametrize(
    ("size", "reduced"), [((100, 100), 4), ((100, 60), 4), ((50, 30), 8), ((200, 60), 2), ((260, 60), 1)]
)
def test_jpeg_is_reduced_to_no_less_than_either_side(size, reduced):
    file = io.BytesIO()
    Image.fromarray(smooth(500, 420)).save(file, "JPEG")
    decoded = decode(file.getvalue(), ImageSize(*size))
    assert decoded.reduced == reduced
    assert decoded.gray.shape == (-(-500 // reduced), -(-420 // reduced))


@pytest.mark.parametrize("size", ["224", 0, 2.5, [64], [64, 48, 3], [64, -48], [64, True], None])
def test_what_is_no_size_is_an_error(size):
    with pytest.raises(ValueError, match="no size of images"):
        Preprocessing(size)


def test_square_is_the_same_as_a_number_and_as_a_list():
    assert Preprocessing(64) == Preprocessing([64, 64])
    assert Preprocessing([64, 48]).size == (64, 48)


def test_gradient_keeps_its_position_when_it_shrinks():
    image = np.tile(np.arange(96, dtype=np.uint8), (96, 1))
    for size in (12, 32):
        factor = 96 // size
        columns = np.arange(size) * factor + (factor - 1) / 2  # the center of each block of pixels
        assert np.abs(Preprocessing(size).apply(image) - columns).max() <= 0.5


@pytest.mark.parametrize("fit", ["stretch", "crop"])
@pytest.mark.parametrize(
    ("height", "width", "size"), [(390, 320, 224), (5, 5, 2), (283, 233, 22), (20, 20, 32), (39, 32, 64)]
)
def test_uniform_image_stays_uniform_up_to_its_edges(fit, height, width, size):
    image = np.full((height, width), 200, dtype=np.uint8)
    assert np.unique(Preprocessing(size, fit).apply(image)).tolist() == [200]


@pytest.mark.parametrize(("height", "width", "size"), [(390, 320, 224), (60, 63, 40), (39, 32, 64)])
def test_stretched_image_matches_the_matrix(height, width, size):
    image = smooth(height, width)
    y, x = np.indices((size, size))
    back = np.linalg.inv(Preprocessing(size).matrix(height, width))
    source = back @ np.stack([x.ravel(), y.ravel(), np.ones(size * size)])
    places = [source[1].clip(0, height - 1).reshape(size, size), source[0].clip(0, width - 1).reshape(size, size)]
    expected = scipy.ndimage.map_coordinates(image.astype(float), places, order=1)
    assert np.abs(Preprocessing(size).apply(image) - expected).max() <= 1.0


def test_file_becomes_one_uint8_channel(tmp_path):
    image = Preprocessing(8)(save(tmp_path / "image.jpg", noise(40, 32)))
    assert (tuple(image.shape), image.dtype) == ((1, 8, 8), torch.uint8)


def test_color_is_converted_like_pillow(tmp_path):
    path = save(tmp_path / "image.jpg", noise(32, 32, 3))
    assert (Preprocessing(32)(path)[0].numpy() == np.asarray(Image.open(path).convert("L"))).all()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_jpeg_is_an_error(tmp_path, share):
    path = save(tmp_path / "image.jpg", noise(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError) as caught:
        read_gray(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("content", [None, b"", b"not an image"])
def test_missing_file_and_other_content_are_errors(tmp_path, content):
    path = tmp_path / "image.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_gray(path)
    assert caught.value.where == str(path)
    assert isinstance(caught.value.__cause__, FileNotFoundError) == (content is None)


@pytest.mark.parametrize(
    ("kind", "side", "number"), [("png", 8001, "8001"), ("png", 20_000, "400000000"), ("jpg", 20_000, "400000000")]
)
def test_too_large_image_is_an_error_before_decoding(tmp_path, monkeypatch, kind, side, number):
    path = save(tmp_path / f"image.{kind}", noise(16, 16))
    path.write_bytes(set_size(path.read_bytes(), side))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(UserError) as caught:
        Preprocessing(8)(path)
    assert caught.value.where == str(path)
    assert number in caught.value.message


def set_size(content, side):
    """The same file with another size in its header."""
    content = bytearray(content)
    if content[:2] == b"\xff\xd8":
        start = content.index(b"\xff\xc0") + 5  # SOF0: marker, length, precision, then height and width
        content[start : start + 4] = struct.pack(">HH", side, side)
    else:
        content[16:24] = struct.pack(">II", side, side)  # IHDR: width and height, then a checksum after 17 bytes
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def psnr(first, second):
    return 10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2))


@pytest.mark.parametrize("size", [100, 160, 224])
def test_large_jpeg_is_averaged_while_decoding(tmp_path, size):
    grain = np.random.default_rng(0).normal(0, 4, (1411, 1163))  # odd sides: the last blocks are cut
    path = save(tmp_path / "image.jpg", (smooth(1411, 1163) + grain).clip(0, 255).astype(np.uint8), quality=95)
    area = cv2.resize(read_gray(path), (size, size), interpolation=cv2.INTER_AREA)
    assert psnr(Preprocessing(size).read(path), area) >= 40


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(16, 16), (24, 16), (12, 20)])
@pytest.mark.parametrize(("height", "width"), [(65, 71), (129, 201), (400, 393)])
def test_averaging_while_decoding_keeps_positions(tmp_path, fit, height, width, size):
    y, x = np.mgrid[:height, :width]
    image = np.rint(100 * x / width + 150 * y / height)
    path = save(tmp_path / "image.jpg", image.astype(np.uint8), quality=100)
    y, x = np.indices(size)
    source = np.linalg.inv(Preprocessing(size, fit).matrix(height, width)) @ [x.ravel(), y.ravel(), np.ones(x.size)]
    within = np.abs(source[:2].T / [width, height] - 0.5).max(axis=1) < 0.45  # and no black of a padded image
    expected = 100 * source[0] / width + 150 * source[1] / height
    assert np.abs(Preprocessing(size, fit).read(path).ravel() - expected)[within].max() <= 1.5  # rounding, twice


def test_image_below_twice_the_size_is_decoded_in_full(tmp_path):
    path = save(tmp_path / "image.jpg", noise(60, 63))
    assert (Preprocessing(32).read(path) == Preprocessing(32).apply(read_gray(path))).all()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(3, 3000), (3000, 1), (1, 1)])
def test_image_of_any_shape_is_fitted(tmp_path, fit, shape):
    path = save(tmp_path / "thin.png", np.full(shape, 200, np.uint8))
    image = Preprocessing(224, fit).read(path)
    assert image.shape == (224, 224)
    assert image.max() >= 199 or fit == "pad"  # an image of a hundredth of a pixel is nowhere to be seen
