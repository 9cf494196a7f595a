"""The image in a DICOM file, as its header says that it is shown; nothing else of the header is kept."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from chexpert.data.gray import has_contrast, scale, to_gray
from chexpert.data.sources.file_types import DICOMDIR
from chexpert.errors import advise_extra

RADIOGRAPHS = frozenset(("CR", "DX", "DR", "RG", "RF", "SC", "OT", ""))
"""Modalities of a chest X-ray: computed, digital and film radiography; fluoroscopy; scanned, other, not said."""

TINT = 8
"""Of 255: by how much the channels of a gray image may differ, that JPEG has turned into colors and back."""

Notes = tuple[str, ...]


def decode_dicom(content: bytes, max_pixels: int) -> tuple[np.ndarray, Notes]:
    """Decode the image of a DICOM file to (H, W) uint8, with notes on it.

    Modality LUT, then the first VOI LUT or window that leaves something visible, else ``gray.find_black_and_white``.
    MONOCHROME1 shows its least value white and is inverted (DICOM PS3.3, C.7.6.3.1.2).

    Raises:
        ValueError: no image, several frames, colors, or too many pixels.
        ImportError: pydicom or the decoder of its compression is not installed.
        Exception: of almost any kind, by pydicom, where the content is damaged.
    """
    header = read_header(content)
    _check(header, max_pixels)
    stored = _read_pixels(header)
    values, ignored = _apply_modality(stored, header)
    image = _find_image(stored, header)
    gray, notes = _show(values, image, header)
    gray = 255 - gray if header.PhotometricInterpretation == "MONOCHROME1" else gray.copy()
    if image is not None:
        gray[~image] = 0  # as viewers show it, on MONOCHROME1 too
    return gray, (*_describe(header), *ignored, *notes)


def read_header(content: bytes | BinaryIO, **options: Any) -> Any:
    """Read the data set in a DICOM file, with or without a preamble.

    Args:
        content: of the file, or the file itself, opened at its start: what ``options`` leave out is then not read.
        options: of :func:`pydicom.dcmread`.

    Raises:
        ImportError: pydicom is not installed.
    """
    try:
        import pydicom
        from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
    except ImportError as error:
        raise ImportError(f"DICOM needs pydicom: {advise_extra('dicom')}") from error
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    force = file.read(132)[128:] != b"DICM"
    file.seek(0)
    header = pydicom.dcmread(file, force=force, **options)
    if "TransferSyntaxUID" not in header.file_meta:
        implicit = header.original_encoding[0]
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return header


def _check(header: Any, max_pixels: int) -> None:
    """Refuses what is no single gray image, before its pixels are unpacked."""
    kind, frames = header.get("PhotometricInterpretation"), int(header.get("NumberOfFrames") or 1)
    if header.file_meta.get("MediaStorageSOPClassUID") == DICOMDIR.decode():
        raise ValueError("a DICOMDIR, the list of the files on a CD")
    if "Rows" not in header or kind is None:
        raise ValueError(f"a DICOM file without an image (modality {header.get('Modality') or 'not given'})")
    rows, columns = header.get("Rows"), header.get("Columns")
    if not (isinstance(rows, int) and isinstance(columns, int)):
        raise ValueError("a DICOM file without the number of its rows or columns")
    if rows * columns > max_pixels:
        raise ValueError(f"{columns} x {rows} pixels, more than {max_pixels:,}")
    if frames > 1:
        raise ValueError(f"{frames} frames: a radiograph has one")
    if kind not in ("MONOCHROME1", "MONOCHROME2", "RGB") and not kind.startswith("YBR_"):
        raise ValueError(f"{kind} pixels: a radiograph is gray")
    _check_decoder(header.file_meta.TransferSyntaxUID)


def _check_decoder(syntax: Any) -> None:
    """Refuses a compression for which no decoder is installed, by the line that installs it."""
    from pydicom.pixels import get_decoder

    if not syntax.is_compressed or not syntax.is_encapsulated:
        return
    try:
        there = get_decoder(syntax).is_available
    except NotImplementedError as error:
        raise ValueError(f"its pixels are compressed as {syntax.name}, which is not read") from error
    if not there:
        raise ImportError(f"its pixels are compressed as {syntax.name}, which needs a decoder: {advise_extra('dicom')}")


def _read_pixels(header: Any) -> np.ndarray:
    """(H, W) as stored; of three equal channels one."""
    try:
        pixels = header.pixel_array
    except (RuntimeError, AttributeError) as error:  # pydicom lists what each decoder tripped over inside of itself
        if header.file_meta.TransferSyntaxUID.is_encapsulated:
            raise ValueError("its compressed pixels are damaged") from error
        raise
    if pixels.ndim == 2:
        return pixels
    low, high = pixels.min(axis=2), pixels.max(axis=2)
    if int((high - low).max()) > TINT:
        raise ValueError(f"{header.PhotometricInterpretation} pixels of different colors: a radiograph is gray")
    return pixels[..., 1]


def _apply_modality(stored: np.ndarray, header: Any) -> tuple[np.ndarray, Notes]:
    """The stored values by the modality LUT or the rescaling, unless that makes all of them one."""
    from pydicom.pixels import apply_modality_lut

    if not header.get("ModalityLUTSequence"):
        slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
        if (1 if slope is None else slope, intercept or 0) == (1, 0):  # values of 8 bits stay such
            return stored, ()
        if slope is not None and (slope == 0 or not np.isfinite(slope)):
            return stored, (f"its rescaling by {float(slope):g} leaves nothing visible, and is not applied",)
        header.RescaleSlope, header.RescaleIntercept = 1 if slope is None else slope, intercept or 0
    return np.asarray(apply_modality_lut(stored, header)), ()


def _find_image(stored: np.ndarray, header: Any) -> np.ndarray | None:
    """(H, W) bool: the pixels that are not padding, whose value may lie far below all others; None for all."""
    padding = header.get("PixelPaddingValue")
    if padding is None:
        return None
    limit = header.get("PixelPaddingRangeLimit")
    # Its kind of number is that of the pixels, whatever the header says: -2000 is also written as 63536.
    ends = np.array([padding, padding if limit is None else limit]).astype(stored.dtype)
    image = (stored < ends.min()) | (stored > ends.max())
    return image if image.any() else None


def _show(values: np.ndarray, image: np.ndarray | None, header: Any) -> tuple[np.ndarray, Notes]:
    """The values by the first LUT or window under which something is visible, else between their ends."""
    notes: Notes = ()
    for gray in _apply_windows(values, header):
        if has_contrast(gray if image is None else gray[image][None]):
            return gray, notes
        notes = ("its window leaves nothing visible, and is not applied",)
    gray = to_gray(values, image)
    return gray, notes if has_contrast(gray) else ()


def _apply_windows(values: np.ndarray, header: Any) -> Iterator[np.ndarray]:
    """The values by each VOI LUT and window of the header, as far as they have a meaning (PS3.3, C.11.2.1.2)."""
    for number, item in enumerate(header.get("VOILUTSequence") or ()):
        yield _apply_lut(values, header, number, item)
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    for center, width in zip(_list(header, "WindowCenter"), _list(header, "WindowWidth"), strict=False):
        if np.isfinite([center, width]).all() and (
            width > 0 if function in ("LINEAR_EXACT", "SIGMOID") else width >= 1
        ):
            yield apply_window(values, center, width, function)


def apply_window(values: np.ndarray, center: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Return values by a window, black to white, (H, W) uint8.

    Source: DICOM PS3.3, C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2.
    """
    values = values.astype("float64")
    if function == "SIGMOID":
        return np.round(255 / (1 + np.exp((-4 * (values - center) / width).clip(-700, 700)))).astype(np.uint8)
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, width - 1
    if width == 0:
        return np.where(values > center, 255, 0).astype(np.uint8)
    return scale(values, (center - width / 2, center + width / 2))


def _apply_lut(values: np.ndarray, header: Any, number: int, item: Any) -> np.ndarray:
    """By a VOI LUT, from 0 to the greatest number of the bits that its entries need: some headers claim more."""
    from pydicom.pixels import apply_voi

    shown = apply_voi(np.round(values).astype("int64"), header, index=number)
    entries = np.frombuffer(item.LUTData, "<u2") if isinstance(item.LUTData, bytes) else np.asarray(item.LUTData)
    return scale(shown, (0, 2 ** max(8, int(entries.max()).bit_length()) - 1))


def _list(header: Any, name: str) -> list[float]:
    value = header.get(name)
    many = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
    return [float(one) for one in many if one not in (None, "")]


def _describe(header: Any) -> Iterator[str]:
    """What should be known of an image that is read all the same."""
    modality = str(header.get("Modality") or "").upper()
    if modality not in RADIOGRAPHS:
        yield f"no radiograph: modality {modality}"
    pixel = next((sides for name in ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing")
                  if len(sides := _list(header, name)) == 2), [1.0, 1.0])  # fmt: skip
    if min(pixel) > 0 and max(pixel) > 1.01 * min(pixel):
        yield f"pixels that are not square, {pixel[0]:g} to {pixel[1]:g}, are read as if they were"
