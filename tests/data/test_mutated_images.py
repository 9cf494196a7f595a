"""Mutated image files: each is one error, or is read; a file that was cut is never read as another image."""

import io
import struct
import time
import zlib

import numpy as np
import pydicom
import pytest
from helpers.dicom import compress, make_dicom
from PIL import Image

from chexpert.data import Preprocessing
from chexpert.data.audit.images import inspect_image
from chexpert.data.preprocessing import get_size
from chexpert.data.sources.manifest import CHANGED, hash_file
from chexpert.errors import UserError

SLOWEST = 10  # seconds for one image of 96 x 80 pixels; a decoder that hangs takes longer on the slowest machine


def smooth(height, width):
    y, x = np.mgrid[:height, :width]
    return np.rint(100 * x / width + 100 * y / height + 20 * np.sin(x / 3)).astype(np.uint8)


def write_jpeg(path):
    Image.fromarray(smooth(96, 80)).save(path, "JPEG", quality=92)


def write_png8(path):
    Image.fromarray(smooth(96, 80)).save(path, "PNG")


def write_png16(path):
    Image.fromarray(smooth(96, 80).astype(np.uint16) * 16).save(path, "PNG")


def write_png16_color(path):
    """Sixteen bits a channel, which OpenCV decodes after Pillow."""
    pixels = np.repeat(smooth(96, 80).astype(">u2")[..., None] * 200, 3, axis=2)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 80, 96, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def write_dicom(path):
    tags = {"Modality": "DX", "WindowCenter": 1600, "WindowWidth": 3200, "RescaleSlope": 1, "RescaleIntercept": 5}
    make_dicom(path, smooth(96, 80).astype(np.uint16) * 16, **tags)


def write_rle(path):
    write_dicom(path)
    header = pydicom.dcmread(path)
    header.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    header.save_as(path)


def write_compressed(syntax):
    def write(path):
        gdcm = pytest.importorskip("gdcm")
        write_dicom(path)
        compress(path, getattr(pydicom.uid, syntax), gdcm)

    return write


KINDS = {
    "jpeg": write_jpeg,
    "png8": write_png8,
    "png16": write_png16,
    "png16_color": write_png16_color,
    "dicom": write_dicom,
    "dicom_rle": write_rle,
    "dicom_jpeg_lossless": write_compressed("JPEGLosslessSV1"),
    "dicom_jpeg_ls": write_compressed("JPEGLSLossless"),
    "dicom_jpeg_2000": write_compressed("JPEG2000Lossless"),
}


def mutate(content, rng):
    """The file with a flipped bit, a zeroed or missing stretch, or more bytes; or cut off, which is returned too.

    Half of the changes are in the first 600 bytes, where a header has more to break than pixels have.
    """
    end = len(content) if rng.integers(2) else min(len(content), 600)
    content, place, kind = bytearray(content), int(rng.integers(2, end)), int(rng.integers(5))
    if kind == 0:
        content[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        content[place : place + 200] = bytes(len(content[place : place + 200]))
    elif kind == 2:
        del content[place : place + int(rng.integers(1, 50))]
    elif kind == 3:
        content[place:place] = rng.bytes(int(rng.integers(1, 50)))
    else:
        del content[place:]
    return bytes(content), kind == 4


def repair_png(content):
    """The same PNG with the right checksums, so that mutated chunks come as far as the decoder; None if it has none."""
    out, at = io.BytesIO(), 8
    out.write(content[:8])
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        if at + 12 + length > len(content):
            return None
        chunk = content[at + 4 : at + 8 + length]
        out.write(content[at : at + 4] + chunk + struct.pack(">I", zlib.crc32(chunk)))
        at += 12 + length
    return out.getvalue()


def read_or_fail(path):
    """The image, or the error; any other exception fails the test."""
    try:
        return Preprocessing(24).read(path), None
    except UserError as error:
        return None, error


@pytest.mark.filterwarnings("ignore")  # of pydicom, on what it reads all the same
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_mutated_image_is_an_error_or_read_but_never_if_cut(tmp_path, kind, count):
    """With a manifest every change of a byte is an error."""
    rng, path = np.random.default_rng(count), tmp_path / "image"
    KINDS[kind](path)
    whole, image = path.read_bytes(), Preprocessing(24).read(path)
    sha256, errors, cuts = hash_file(path), 0, 0
    for number in range(count):
        content, cut = mutate(whole, rng)
        if kind.startswith("png") and number % 2 and (repaired := repair_png(content)):
            content = repaired
        cuts += cut
        path.write_bytes(content)
        if content != whole:  # a stretch that was zero already may be zeroed
            with pytest.raises(UserError) as caught:
                Preprocessing(24).read(path, sha256)
            assert CHANGED in caught.value.message
        started = time.monotonic()
        get_size(path)
        found = inspect_image(str(path))
        read, error = read_or_fail(path)
        assert bool(error) == bool(found.error)
        if error:
            assert error.where == str(path)
            assert "\n" not in error.message + found.error
            assert "object has no" not in error.message  # of a decoder's own code
            errors += 1
        else:
            assert (read.shape, read.dtype) == ((24, 24), np.uint8)
            assert not cut or (read == image).all()
        assert time.monotonic() - started < SLOWEST
    assert errors > 0.8 * cuts
