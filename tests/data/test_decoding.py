"""Gray values of image files of every kind, against the values that were written."""

import io
import math
import struct
import zlib

import cv2
import numpy as np
import pytest
from helpers.dicom import make_dicom
from helpers.errors import raises
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from chexpert.data import Preprocessing, read_gray
from chexpert.data.decoding import decode, read_file_size, read_size
from chexpert.data.gray import NO_CONTRAST, has_contrast
from chexpert.errors import UserError
from chexpert.image_size import ImageSize

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (40, 50), dtype=np.uint8)
DEEP = np.linspace(0, 4095, 40 * 50).reshape(40, 50).astype(np.uint16)


def encode(image, kind="PNG", **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def gray(content):
    return decode(content).gray


def make_exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def encode_deep(pixels, color):
    """A PNG of 16 bits with these channels, which Pillow does not write."""
    height, width = pixels.shape[:2]

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encode_color(kind, pixels, *options):
    """By OpenCV, which writes 16-bit color; a .j2k is the codestream of a .jp2."""
    channels = [2, 1, 0, 3][: pixels.shape[2]]
    content = cv2.imencode(".jp2" if kind == "j2k" else f".{kind}", pixels[..., channels], options)[1].tobytes()
    return content[content.index(b"\xff\x4f\xff\x51") :] if kind == "j2k" else content


@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 do not exist
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_matches_pillow(kind, orientation):
    content, plain = encode(IMAGE, kind, exif=make_exif(orientation)), Image.fromarray(gray(encode(IMAGE, kind)))
    plain.getexif()[0x0112] = orientation
    shown = ImageOps.exif_transpose(plain)
    image = decode(content)
    assert np.array_equal(image.gray, np.asarray(shown))
    assert (image.width, image.height) == shown.size
    assert read_size(content) == image.gray.shape == ((50, 40) if 5 <= orientation <= 8 else (40, 50))


def split_chunks(content):
    """The chunks of a PNG by name."""
    chunks, start = {}, 8
    while start < len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        chunks[content[start + 4 : start + 8]] = content[start:end]
        start = end
    return chunks


@pytest.mark.parametrize(("orientation", "size"), [(1, (40, 50)), (6, (50, 40))])
def test_png_size_is_read_from_the_header_only(orientation, size):
    chunks = split_chunks(encode(IMAGE, exif=make_exif(orientation) if orientation > 1 else b""))
    damaged = chunks[b"IDAT"][:8] + b"\0" * (len(chunks[b"IDAT"]) - 8)
    assert read_size(b"\x89PNG\r\n\x1a\n" + b"".join((chunks | {b"IDAT": damaged}).values())) == size


def test_png_orientation_after_the_pixels_is_ignored():
    chunks = split_chunks(encode(IMAGE, exif=make_exif(6)))
    order = (b"IHDR", b"IDAT", b"eXIf", b"IEND")
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunks[name] for name in order)
    assert np.array_equal(gray(content), IMAGE)
    assert read_size(content) == IMAGE.shape


def test_size_of_too_many_pixels_is_an_error():
    def claim(width, height):
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        start = b"\0\0\0\rIHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
        chunks = split_chunks(encode(IMAGE))
        return b"\x89PNG\r\n\x1a\n" + start + chunks[b"IDAT"] + chunks[b"IEND"]

    assert read_size(claim(8000, 8000)) == (8000, 8000)
    for side in (8001, 11000):
        with pytest.raises(ValueError, match=f"8000 x {side}"):
            read_size(claim(8000, side))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_image_is_fitted_like_its_upright_copy(tmp_path, orientation):
    noise = RNG.integers(0, 256, (131, 97), dtype=np.uint8)
    (tmp_path / "a.jpg").write_bytes(encode(noise, "JPEG", exif=make_exif(orientation)))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    for size in (16, 64):
        assert np.array_equal(Preprocessing(size).read(tmp_path / "a.jpg"), Preprocessing(size).apply(upright))


def test_8_bit_jpegs_match_pillow_exactly():
    content = encode(IMAGE, "JPEG")
    assert np.array_equal(gray(content), np.asarray(Image.open(io.BytesIO(content))))
    large = encode(RNG.integers(0, 256, (390, 320), dtype=np.uint8), "JPEG")
    reduced = Image.open(io.BytesIO(large))
    reduced.draft("L", (160, 160))
    assert np.array_equal(decode(large, ImageSize(160, 160)).gray, np.asarray(reduced))


@pytest.mark.parametrize("low", [0, 60, 250])
def test_8_bit_values_are_not_rescaled(low):
    narrow = IMAGE // 52 + low
    assert np.array_equal(gray(encode(narrow)), narrow)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_values_fill_the_gray_range(bits):
    values = np.linspace(0, 2**bits - 1, 2000).reshape(40, 50)
    assert np.abs(gray(encode(values.astype(np.uint16))) - values / (2**bits - 1) * 255).max() <= 1


def test_hot_pixels_do_not_change_other_grays(tmp_path):
    plain, hot = DEEP // 4 + 500, DEEP // 4 + 500
    hot[7, 7], hot[9, 9] = 65535, 0
    shown = {}
    for name, values in (("plain", plain), ("hot", hot)):
        dicom = make_dicom(tmp_path / f"{name}.dcm", values, BitsStored=16, HighBit=15)
        shown[name] = read_gray(dicom)
        assert np.array_equal(gray(encode(values)), shown[name])
        assert np.array_equal(gray(encode_deep(np.stack([values] * 3, 2), 2)), shown[name])
        assert np.array_equal(gray(encode(values, "TIFF")), shown[name])
    assert (shown["hot"][7, 7], shown["hot"][9, 9]) == (255, 0)
    change = np.abs(shown["hot"].astype(int) - shown["plain"])
    change[[7, 9], [7, 9]] = 0
    assert change.max() <= 1


@pytest.mark.parametrize(
    ("kind", "channels"), [("ppm", 3), *((kind, n) for kind in ("png", "tiff", "jp2", "j2k") for n in (3, 4))]
)
def test_16_bit_color_has_the_same_gray_in_every_format(kind, channels):
    """Of Pillow's others WebP, BMP, GIF and JPEG have 8 bits, and AVIF 12, whose upper 8 hold an image of 12 bits."""
    pixels = np.stack([DEEP] * 3 + [np.full_like(DEEP, 65535)] * (channels - 3), 2)
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if kind == "jp2" else []
    content = encode_color(kind, pixels, *lossless)
    assert np.array_equal(gray(content), gray(encode(DEEP)))


@pytest.mark.parametrize("maxval", [b"4095", b"# P6 1 1 255\n4095", b"65535"])
@pytest.mark.parametrize("letter", [b"P6", b"P3"])
def test_16_bit_ppm_can_have_any_maximum_value(letter, maxval):
    pixels = np.stack([DEEP] * 3, 2)
    rows = pixels.astype(">u2").tobytes() if letter == b"P6" else " ".join([*map(str, pixels.ravel()), "\n"]).encode()
    assert np.array_equal(gray(letter + b"\n50 40\n" + maxval + b"\n" + rows), gray(encode(DEEP)))


def test_8_bit_color_matches_pillow():
    pixels = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for kind in ("PNG", "TIFF", "JPEG2000", "PPM"):
        assert np.array_equal(gray(encode(pixels, kind)), np.asarray(Image.fromarray(pixels).convert("L")))


def test_16_bit_color_has_the_weights_of_8_bit_color():
    pixels = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    deep = gray(encode_deep(pixels.astype(np.uint16) * 257, 2)).astype(float)
    plain = np.asarray(Image.fromarray(pixels).convert("L")).astype(float)
    assert np.corrcoef(deep.ravel(), plain.ravel())[0, 1] > 0.9999


def test_truncated_16_bit_color_png_is_an_error():
    content = encode_deep(np.stack([DEEP] * 3, 2), 2)
    with pytest.raises(OSError, match="truncated"):
        gray(content[:-200])


@pytest.mark.parametrize(("mode", "kind"), [("I", "TIFF"), ("F", "TIFF"), ("I;16", "TIFF"), ("I;16", "PNG")])
def test_integers_and_floats_fill_the_gray_range(mode, kind):
    image = Image.fromarray({"I": np.int32, "F": np.float32}.get(mode, np.uint16)(DEEP))
    assert image.mode == mode
    assert np.abs(gray(encode(image, kind)) - DEEP / 4095 * 255).max() <= 1


def test_16_bit_tiff_with_white_zero_is_inverted():
    content = encode(DEEP, "TIFF", tiffinfo={262: 0})
    assert np.array_equal(gray(content), 255 - gray(encode(DEEP, "TIFF")))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "TIFF"), *((mode, kind) for mode in ("RGBA", "LA", "P", "1") for kind in ("PNG", "TIFF"))],
)
def test_gray_of_pixel_modes_matches_pillow(mode, kind):
    image = Image.fromarray(RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)).convert(mode)
    expected = image.convert("RGB").convert("L") if mode in ("CMYK", "P") else image.convert("L")
    assert np.array_equal(gray(encode(image, kind)), np.asarray(expected))


@pytest.mark.parametrize("size", [None, 12])
def test_cmyk_jpeg_is_not_inverted(size):
    """Adobe's and Pillow's are stored inverted, and read as such."""
    image = np.tile(np.linspace(0, 255, 50).astype(np.uint8), (40, 1))
    content = encode(Image.fromarray(image).convert("RGB").convert("CMYK"), "JPEG", quality=100)
    shown = decode(content, size and ImageSize(size, size))
    assert shown.mode == "CMYK"
    assert np.abs(shown.gray.astype(int) - image[:: shown.reduced, :: shown.reduced]).max() <= 6 * shown.reduced


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_hidden_pixels_are_black(mode):
    alpha = np.where(np.arange(50) < 25, 0, 255).astype(np.uint8) * np.ones((40, 1), np.uint8)
    image = Image.fromarray(IMAGE).convert(mode)
    image.putalpha(Image.fromarray(alpha))
    assert np.array_equal(gray(encode(image)), np.where(alpha, IMAGE, 0))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_color_is_black(kind):
    image = Image.fromarray(np.where(IMAGE < 128, 0, 1).astype(np.uint8)).convert("P")
    image.putpalette([200, 200, 200, 90, 90, 90])
    assert np.array_equal(gray(encode(image, kind, transparency=0)), np.where(IMAGE < 128, 0, 90))


def test_transparent_gray_is_black():
    assert np.array_equal(gray(encode(IMAGE, transparency=77)), np.where(IMAGE == 77, 0, IMAGE))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_several_frames_are_an_error(kind):
    frames = [Image.fromarray(IMAGE), Image.fromarray(255 - IMAGE)]
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"\b2\b"):
        decode(content)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "WEBP", "JPEG2000", "PPM", "GIF"])
def test_lossless_formats_are_read(kind):
    assert np.array_equal(gray(encode(IMAGE, kind, **({"lossless": True} if kind == "WEBP" else {}))), IMAGE)


def test_postscript_is_not_read(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(UserError, match="PostScript") as caught:
        read_gray(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("value", [0, 7, 128, 255])
def test_single_gray_value_has_no_contrast(value):
    blank = np.full((40, 50), value, np.uint8)
    assert not has_contrast(blank)
    blank[3, 3] = 255 - value
    assert not has_contrast(blank)  # nor by a hot pixel
    blank[:, 10:] = (value + 8) % 256
    assert has_contrast(blank)


@given(st.integers(1, 30), st.integers(1, 60), st.integers(1, 16), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_contrast_is_that_of_the_sorted_pixels(height, width, grays, changed, seed):
    rng = np.random.default_rng(seed)
    gray = (100 + rng.integers(0, grays, (height, width))).astype(np.uint8)
    gray.ravel()[rng.integers(0, gray.size, changed)] = rng.integers(0, 256, changed)
    gray[rng.integers(0, height)] += rng.integers(0, 10, dtype=np.uint8)
    ordered = sorted(gray.ravel().tolist())
    low, high = ordered[math.ceil(0.001 * (gray.size - 1))], ordered[int(0.999 * (gray.size - 1))]
    assert has_contrast(gray) == (high - low >= 8)


def test_image_below_the_least_size_is_an_error(tmp_path):
    Image.fromarray(IMAGE[:31]).save(tmp_path / "a.png")
    with raises("image-size", tmp_path / "a.png") as caught:
        Preprocessing(16, least=32).read(tmp_path / "a.png")
    assert "50 x 31" in caught.value.message
    assert Preprocessing(16).read(tmp_path / "a.png").shape == (16, 16)


def test_image_without_contrast_has_a_note(tmp_path):
    Image.fromarray(np.full((40, 50), 9, np.uint16)).save(tmp_path / "a.png")
    assert Preprocessing(16).read_noted(tmp_path / "a.png")[1] == (NO_CONTRAST,)
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    assert Preprocessing(16).read_noted(tmp_path / "a.png")[1] == ()


def test_size_of_a_dicom_file_is_read_without_its_pixels(tmp_path):
    path = make_dicom(tmp_path / "a.dicom")
    assert read_file_size(path) == read_size(path.read_bytes()) == (40, 50)
    whole = path.read_bytes()
    (tmp_path / "cut.dicom").write_bytes(whole[: -40 * 50 * 2 + 10])  # nearly all pixels are gone
    assert read_file_size(tmp_path / "cut.dicom") == (40, 50)
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(tmp_path / "a.png")
    assert read_file_size(tmp_path / "a.png") == (7, 9)
    (tmp_path / "none.dicom").write_bytes(whole[:200])
    with pytest.raises(AttributeError):
        read_file_size(tmp_path / "none.dicom")
