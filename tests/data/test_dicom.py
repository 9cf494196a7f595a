"""Images in DICOM: LUTs, windows, inversion, padding; and the files that are errors."""

import re

import numpy as np
import pydicom
import pytest
from helpers.dicom import RAMP, compress, make_dicom
from helpers.errors import raises
from pydicom.dataset import Dataset

from chexpert.data import Preprocessing, read_gray
from chexpert.data.decoding import decode
from chexpert.errors import UserError

WINDOW_1 = {"WindowCenter": 2000, "WindowWidth": 1000}
RGB = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8,
       "BitsStored": 8, "HighBit": 7, "Rows": 40, "Columns": 50}  # fmt: skip
COLORED = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_image_without_window_fills_the_gray_range(tmp_path):
    gray = read_gray(make_dicom(tmp_path / "image.dcm", RAMP // 2 + 100))
    assert (gray.dtype, gray.shape) == (np.uint8, (40, 50))
    assert np.abs(gray - RAMP / 4095 * 255).max() <= 1


def test_monochrome1_is_inverted(tmp_path):
    gray = read_gray(make_dicom(tmp_path / "image.dcm", PhotometricInterpretation="MONOCHROME1"))
    assert np.abs(gray - (255 - RAMP / 4095 * 255)).max() <= 1


def test_window_is_applied_after_rescaling(tmp_path):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3000, "WindowWidth": 2000}
    gray = read_gray(make_dicom(tmp_path / "image.dcm", **tags)).astype(float)
    values = RAMP.astype(float) * 2 - 1000  # DICOM PS3.3 C.11.2.1.2.1
    shown = np.clip((values - 2999.5) / 1999 + 0.5, 0, 1) * 255
    assert np.abs(gray - shown).max() <= 1


@pytest.mark.parametrize("intercept", [0, -1000])
def test_rescaling_by_zero_is_ignored_with_a_note(tmp_path, intercept):
    path = make_dicom(tmp_path / "image.dcm", RescaleSlope=0, RescaleIntercept=intercept)
    image = decode(path.read_bytes())
    assert np.array_equal(image.gray, read_gray(make_dicom(tmp_path / "plain.dcm")))
    (note,) = image.notes
    assert "rescaling" in note


def test_voi_lut_is_applied(tmp_path):
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 16], (np.arange(4096) // 2048 * 65535).astype(np.uint16).tobytes()
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    gray = read_gray(make_dicom(tmp_path / "image.dcm", VOILUTSequence=[table]))
    assert (gray == np.where(RAMP >= 2048, 255, 0)).all()


def test_image_without_contrast_is_black(tmp_path):
    assert read_gray(make_dicom(tmp_path / "image.dcm", np.full((40, 50), 7, np.uint16))).max() == 0


def test_padding_does_not_narrow_the_gray_range(tmp_path):
    pixels = RAMP // 2 + 1000  # 1000 to 3047
    pixels[:5] = 0
    gray = read_gray(make_dicom(tmp_path / "image.dcm", pixels, PixelPaddingValue=0))
    low, high = pixels[5:].min(), pixels[5:].max()
    assert np.abs(gray[5:] - (pixels[5:] - low) / (high - low) * 255).max() <= 1
    assert gray[:5].max() == 0


def test_file_extension_does_not_matter(tmp_path):
    dicom = make_dicom(tmp_path / "image.jpg")
    assert Preprocessing(32)(dicom).shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("tags", "fact"),
    [
        ({"NumberOfFrames": 2, "pixels": np.stack([RAMP, RAMP])}, "2"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"pixels": COLORED, **RGB}, "RGB"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000"),
        ({"PixelData": RAMP.tobytes()[:100]}, "100"),
    ],
)
def test_unsupported_or_damaged_file_is_an_error(tmp_path, tags, fact):
    path = make_dicom(tmp_path / "image.dcm", **tags)
    with pytest.raises(UserError) as caught:
        read_gray(path)
    assert caught.value.where == str(path)
    assert re.search(rf"\b{fact}\b", caught.value.message)


def test_missing_pydicom_is_an_error_with_its_command(tmp_path, monkeypatch):
    path = make_dicom(tmp_path / "image.dcm")
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(UserError, match=r"pip install 'chexpert\[dicom\]'"):
        read_gray(path)


def open_file(path):
    image = decode(path.read_bytes())
    return image.gray, image.notes


@pytest.mark.parametrize(("width", "function"), [(0, "LINEAR"), (0.5, "LINEAR"), (0, "SIGMOID"), (-1, "LINEAR_EXACT")])
def test_meaningless_window_is_ignored(tmp_path, width, function):
    plain, _ = open_file(make_dicom(tmp_path / "plain.dcm", Modality="CR"))
    tags = {"WindowCenter": 2048, "WindowWidth": width, "VOILUTFunction": function, "Modality": "CR"}
    gray, notes = open_file(make_dicom(tmp_path / "image.dcm", **tags))
    assert np.array_equal(gray, plain)
    assert notes == ()


def test_narrow_windows_are_steps_and_a_sigmoid_is_smooth(tmp_path):
    step = read_gray(make_dicom(tmp_path / "a.dcm", WindowCenter=2048, WindowWidth=1))
    assert np.array_equal(step, np.where(RAMP > 2047.5, 255, 0))
    exact = read_gray(make_dicom(tmp_path / "b.dcm", WindowCenter=2048, WindowWidth=0.5, VOILUTFunction="LINEAR_EXACT"))
    assert np.array_equal(exact, np.where(RAMP >= 2048, np.where(RAMP > 2048, 255, 128), 0))
    sigmoid = read_gray(make_dicom(tmp_path / "c.dcm", WindowCenter=2048, WindowWidth=1000, VOILUTFunction="SIGMOID"))
    assert np.abs(sigmoid - 255 / (1 + np.exp(-4 * (RAMP - 2048.0) / 1000))).max() <= 0.51


def test_first_window_with_contrast_is_used(tmp_path):
    first = read_gray(make_dicom(tmp_path / "a.dcm", **WINDOW_1))
    for name, centers, widths in (
        ("b", [2000, 100], [1000, 10]),
        ("c", [0, 2000], [0, 1000]),
        ("d", [9000, 2000], [5, 1000]),
    ):
        gray = read_gray(make_dicom(tmp_path / f"{name}.dcm", WindowCenter=centers, WindowWidth=widths))
        assert np.array_equal(gray, first), name


def test_window_without_contrast_is_ignored_with_a_note(tmp_path):
    plain = read_gray(make_dicom(tmp_path / "plain.dcm"))
    gray, notes = open_file(make_dicom(tmp_path / "image.dcm", WindowCenter=60000, WindowWidth=100))
    assert np.array_equal(gray, plain)
    (note,) = notes
    assert "window" in note


def test_wide_window_is_not_stretched(tmp_path):
    gray = read_gray(make_dicom(tmp_path / "image.dcm", RAMP // 4 + 1000, WindowCenter=2048, WindowWidth=4096))
    assert (gray.min(), gray.max()) == (62, 126)  # as viewers show it


@pytest.mark.parametrize(
    "empty", [{"WindowCenter": None, "WindowWidth": None}, {"RescaleSlope": None, "RescaleIntercept": None}]
)
def test_empty_elements_count_as_absent(tmp_path, empty):
    assert np.array_equal(read_gray(make_dicom(tmp_path / "a.dcm", **empty)), read_gray(make_dicom(tmp_path / "b.dcm")))


@pytest.mark.parametrize("planar", [0, 1])
def test_three_equal_channels_are_read_as_gray(tmp_path, planar):
    gray = COLORED[..., 0]
    pixels = np.stack([gray] * 3, axis=2 if planar == 0 else 0)
    path = make_dicom(tmp_path / "image.dcm", pixels, **(RGB | {"PlanarConfiguration": planar}))
    assert np.array_equal(read_gray(path), gray)


def test_8_bit_values_are_not_rescaled(tmp_path):
    gray = COLORED[..., 0] // 4 + 50
    path = make_dicom(tmp_path / "image.dcm", gray, BitsAllocated=8, BitsStored=8, HighBit=7, Modality="DX")
    assert np.array_equal(read_gray(path), gray)


def test_signed_pixels_and_their_padding_are_read(tmp_path):
    pixels = (RAMP.astype(np.int16) - 1000).copy()
    pixels[:5] = -2000
    for padding in (-2000, 63536):  # the second: as some write it
        path = make_dicom(tmp_path / f"{padding}.dcm", pixels, PixelRepresentation=1, BitsStored=16, HighBit=15)
        header = pydicom.dcmread(path)
        header.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
        header.save_as(path)
        gray = read_gray(path)
        low, high = pixels[5:].min(), pixels[5:].max()
        assert np.abs(gray[5:] - (pixels[5:].astype(float) - low) / (high - low) * 255).max() <= 1
        assert gray[:5].max() == 0


def test_padding_is_black_on_monochrome1(tmp_path):
    pixels = RAMP // 2 + 1000
    pixels[:5] = 0
    gray = read_gray(
        make_dicom(tmp_path / "a.dcm", pixels, PixelPaddingValue=0, PhotometricInterpretation="MONOCHROME1")
    )
    assert gray[:5].max() == 0
    assert gray[5, 0] >= 254


@pytest.mark.parametrize("implicit", [True, False])
def test_file_without_a_preamble_is_read(tmp_path, implicit):
    header = pydicom.dcmread(make_dicom(tmp_path / "image.dcm"))
    path = tmp_path / "CR.1.2.840.113619"
    plain = Dataset(header)
    for element in list(plain):
        if element.tag.group == 2:
            del plain[element.tag]
    pydicom.dcmwrite(path, plain, implicit_vr=implicit, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"
    assert np.array_equal(read_gray(path), read_gray(tmp_path / "image.dcm"))


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"Modality": "CT"}, "CT"),
        ({"Modality": "MR"}, "MR"),
        ({"Modality": "MG"}, "MG"),
        ({"Modality": "DX", "PixelSpacing": [0.2, 0.1]}, "0.2 to 0.1"),
        ({"Modality": "DX", "PixelAspectRatio": [2, 1]}, "2 to 1"),
        ({"Modality": "DX", "PixelSpacing": [0.1, 0.1]}, None),
        ({}, None),
    ],
)
def test_unusual_header_has_a_note(tmp_path, tags, word):
    notes = open_file(make_dicom(tmp_path / "image.dcm", **tags))[1]
    assert notes == () if word is None else len(notes) == 1 and word in notes[0]


def test_structured_report_is_an_error(tmp_path):
    path = make_dicom(tmp_path / "image.dcm", Modality="SR")
    header = pydicom.dcmread(path)
    for name in ("PixelData", "Rows", "Columns", "PhotometricInterpretation"):
        delattr(header, name)
    header.save_as(path)
    with pytest.raises(UserError, match="SR") as caught:
        read_gray(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", ["Rows", "Columns"])
@pytest.mark.parametrize("empty", [False, True])
def test_missing_number_of_rows_or_columns_is_an_error(tmp_path, name, empty):
    path = make_dicom(tmp_path / "image.dcm")
    header = pydicom.dcmread(path)
    if empty:
        setattr(header, name, None)
    else:
        delattr(header, name)
    header.save_as(path)
    with raises("unreadable-image", path) as caught:
        read_gray(path)
    assert "object" not in caught.value.message


def test_damaged_compressed_pixels_are_an_error_of_one_line(tmp_path):
    path = make_dicom(tmp_path / "image.dcm")
    header = pydicom.dcmread(path)
    header.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    header.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
    header.save_as(path)
    with raises("unreadable-image", path) as caught:
        read_gray(path)
    assert "\n" not in caught.value.message


def test_missing_decoder_is_an_error_with_its_command(tmp_path, monkeypatch):
    from pydicom.pixels.decoders.base import JPEGLosslessSV1Decoder
    from pydicom.uid import JPEGLosslessSV1

    path = make_dicom(tmp_path / "image.dcm")
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    header.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    header["PixelData"].VR = "OB"
    header.save_as(path)
    monkeypatch.setattr(JPEGLosslessSV1Decoder, "_available", {})
    with raises("not-installed", path) as caught:
        read_gray(path)
    assert "JPEG Lossless" in caught.value.message
    assert "chexpert[dicom]" in caught.value.message


@pytest.mark.parametrize(
    "syntax", ["JPEGLosslessSV1", "JPEGLossless", "JPEG2000Lossless", "JPEGLSLossless", "RLELossless"]
)
def test_lossless_compression_keeps_the_pixels(tmp_path, syntax):
    uid, path = getattr(pydicom.uid, syntax), make_dicom(tmp_path / "image.dcm", Modality="CR")
    plain = read_gray(path)
    if syntax == "RLELossless":
        header = pydicom.dcmread(path)
        header.compress(uid, generate_instance_uid=False)
        header.save_as(path)
    else:
        compress(path, uid, pytest.importorskip("gdcm"))
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == uid
    assert np.array_equal(read_gray(path), plain)
