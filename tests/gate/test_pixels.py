"""Checks that need no fit: gray values, size and color."""

import numpy as np
import pytest
from helpers.dicom import make_dicom
from PIL import Image

from chexpert.data.decoding import measure_color
from chexpert.data.gray import NO_CONTRAST
from chexpert.data.preprocessing import Preprocessing
from chexpert.gate import CheckedPreprocessing
from chexpert.gate.pixels import check_color, check_gray, check_size
from chexpert.image_size import ImageSize

RADIOGRAPH = np.random.default_rng(0).normal(120, 50, (128, 128)).clip(0, 255).astype(np.uint8)


def mix(*parts):
    """An image of gray values and their numbers of pixels."""
    return np.concatenate([np.full(count, value) for value, count in parts]).reshape(10, 10).astype(np.uint8)


@pytest.mark.parametrize(
    ("gray", "found"),
    [
        (RADIOGRAPH, []),
        (mix((3, 95), (90, 5)), ["nearly black: 95 % of the pixels"]),
        (mix((12, 89), (200, 11)), []),
        (mix((250, 92), (90, 8)), ["nearly white: 92 % of the pixels"]),
        (
            mix((0, 30), (255, 30), (100, 40)),
            ["saturated, a wrong window: 60 % of the pixels are black or white"],
        ),
        (mix((100, 50), (120, 50)), ["low contrast: 20 of 255 gray levels"]),
        (mix((100, 50), (140, 50)), []),
    ],
)
def test_gray_values(gray, found):
    assert list(check_gray(gray)) == found


def test_size_and_color():
    size = ImageSize(224, 320)
    assert list(check_size(112, 160, size)) == []
    assert len(list(check_size(111, 400, size))) == len(list(check_size(400, 159, size))) == 1
    assert list(check_color(10.0)) == []
    assert list(check_color(10.6)) == ["a color photograph: channels differ by 11 of 255"]


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_images_are_read_to_the_same_bits(tmp_path, fit):
    Image.fromarray(RADIOGRAPH).save(tmp_path / "a.png")
    plain, checked = (kind((64, 96), fit, 32) for kind in (Preprocessing, CheckedPreprocessing))
    assert np.array_equal(plain.read(tmp_path / "a.png"), checked.read(tmp_path / "a.png"))
    assert checked.read_noted(tmp_path / "a.png")[1] == ()


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_color_photograph_is_noted_and_gray_in_three_channels_is_not(tmp_path, ending):
    color = np.stack([RADIOGRAPH // 2 + 100, RADIOGRAPH // 3, RADIOGRAPH // 4], axis=2)
    Image.fromarray(color).save(tmp_path / f"color.{ending}")
    Image.fromarray(RADIOGRAPH).convert("RGB").save(tmp_path / f"gray.{ending}")
    reader = CheckedPreprocessing((64, 64))
    assert reader.read_noted(tmp_path / f"color.{ending}")[1][0].startswith("a color photograph")
    assert reader.read_noted(tmp_path / f"gray.{ending}")[1] == ()


def test_color_of_a_constant_image_is_the_difference_of_its_channels(tmp_path):
    Image.new("RGB", (200, 100), (200, 150, 80)).save(tmp_path / "a.png")
    assert measure_color((tmp_path / "a.png").read_bytes()) == 120


def test_notes_of_reading_come_first_and_no_contrast_only_once(tmp_path):
    Image.new("L", (90, 90), 255).save(tmp_path / "white.png")
    assert CheckedPreprocessing((64, 64)).read_noted(tmp_path / "white.png")[1] == (NO_CONTRAST,)
    path = make_dicom(tmp_path / "ct.dcm", RADIOGRAPH.astype(np.uint16) << 4, Modality="CT")
    notes = CheckedPreprocessing((300, 300)).read_noted(path)[1]
    assert notes[0] == "no radiograph: modality CT"
    assert notes[1].startswith("smaller than the model's input: 128 x 128 pixels")
