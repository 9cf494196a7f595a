"""Films in DICOM: by their LUTs and windows, right way round, and what is no film is refused."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from chexpert.data import Preprocessing, read_gray
from chexpert.problem import ProblemError

RAMP = np.linspace(0, 4095, 40 * 50).reshape(40, 50).astype(np.uint16)


def make_dicom(path, pixels=RAMP, private=None, **tags):
    """A film of 12 bits with these tags, and a private one."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    header.Rows, header.Columns = pixels.shape[-2:]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(header, name, value)
    if private:
        header.private_block(0x0011, "A MAKER", create=True).add_new(0x01, "LO", private)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, header, enforce_file_format=True)
    return path


def test_a_film_fills_the_grays_from_its_darkest_to_its_brightest(tmp_path):
    gray = read_gray(make_dicom(tmp_path / "film.dcm", RAMP // 2 + 100))
    assert (gray.dtype, gray.shape) == (np.uint8, (40, 50))
    assert np.abs(gray - RAMP / 4095 * 255).max() <= 1


def test_monochrome1_is_turned_around(tmp_path):
    gray = read_gray(make_dicom(tmp_path / "film.dcm", PhotometricInterpretation="MONOCHROME1"))
    assert np.abs(gray - (255 - RAMP / 4095 * 255)).max() <= 1


def test_a_window_is_applied_after_the_rescaling(tmp_path):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3000, "WindowWidth": 2000}
    gray = read_gray(make_dicom(tmp_path / "film.dcm", **tags)).astype(float)
    values = RAMP.astype(float) * 2 - 1000  # DICOM PS3.3 C.11.2.1.2.1
    shown = np.clip((values - 2999.5) / 1999 + 0.5, 0, 1) * 255
    assert np.abs(gray - shown).max() <= 1


def test_a_voi_lut_is_applied(tmp_path):
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 16], (np.arange(4096) // 2048 * 65535).astype(np.uint16).tobytes()
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    gray = read_gray(make_dicom(tmp_path / "film.dcm", VOILUTSequence=[table]))
    assert (gray == np.where(RAMP >= 2048, 255, 0)).all()


def test_a_film_without_contrast_is_black(tmp_path):
    assert read_gray(make_dicom(tmp_path / "film.dcm", np.full((40, 50), 7, np.uint16))).max() == 0


def test_padding_does_not_narrow_the_grays_of_the_film(tmp_path):
    pixels = RAMP // 2 + 1000  # 1000 to 3047
    pixels[:5] = 0
    gray = read_gray(make_dicom(tmp_path / "film.dcm", pixels, PixelPaddingValue=0))
    low, high = pixels[5:].min(), pixels[5:].max()
    assert np.abs(gray[5:] - (pixels[5:] - low) / (high - low) * 255).max() <= 1
    assert gray[:5].max() == 0


def test_the_name_of_the_file_does_not_matter(tmp_path):
    dicom = make_dicom(tmp_path / "film.jpg")
    assert Preprocessing(32)(dicom).shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({"NumberOfFrames": 2, "pixels": np.stack([RAMP, RAMP])}, "2 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR pixels"),
        ({"Rows": 60000, "Columns": 60000}, "more than 64,000,000"),
        ({"PixelData": RAMP.tobytes()[:100]}, "cannot be read"),
    ],
)
def test_what_is_no_film_is_refused_with_its_file(tmp_path, tags, what):
    path = make_dicom(tmp_path / "film.dcm", **tags)
    with pytest.raises(ProblemError, match=what) as told:
        read_gray(path)
    assert told.value.where == str(path)


def test_without_pydicom_it_is_told_how_to_get_it(tmp_path, monkeypatch):
    path = make_dicom(tmp_path / "film.dcm")
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(ProblemError, match=r"pip install 'chexpert\[dicom\]'"):
        read_gray(path)


@pytest.mark.parametrize(("bits", "shift"), [(8, 0), (10, 2), (12, 4), (16, 8)])
def test_a_16_bit_png_keeps_the_upper_8_of_the_bits_that_it_uses(bits, shift):
    values = np.linspace(0, 2**bits - 1, 900).reshape(30, 30).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    from chexpert.data.preprocessing import decode

    assert (decode(file.getvalue()).gray == values >> shift).all()
