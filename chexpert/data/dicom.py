"""The film in a DICOM file, as its header says that it is shown; nothing else of the header is kept."""

import io
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = slice(128, 132)
"""Where a DICOM file says what it is."""


def is_dicom(content: bytes) -> bool:
    """Whether a file's content is DICOM, whatever its name.

    >>> is_dicom(bytes(128) + b"DICM..."), is_dicom(b"JPEG")
    (True, False)
    """
    return content[MAGIC] == b"DICM"


def decode_dicom(content: bytes, max_pixels: int) -> np.ndarray:
    """(H, W) uint8: the pixels by modality LUT, then VOI LUT or window, from their least (black) to their greatest.

    MONOCHROME1 shows its least value white and is inverted (DICOM PS3.3, C.7.6.3.1.2).

    Raises:
        ValueError: several frames, colour, or too many pixels.
        ImportError: pydicom is not there.
        Exception: of almost any kind, by pydicom, where the content is damaged or of a compression that it lacks.
    """
    try:
        import pydicom
    except ImportError as error:
        raise ImportError("DICOM needs pydicom: pip install 'chexpert[dicom]'") from error
    header = pydicom.dcmread(io.BytesIO(content))
    _check(header, max_pixels)
    gray = _scale(_show(header), _find_film(header))
    return 255 - gray if header.PhotometricInterpretation == "MONOCHROME1" else gray


def size_of_dicom(path: str | Path) -> tuple[int, int]:
    """(height, width) of a DICOM file, from its header."""
    import pydicom

    header = pydicom.dcmread(path, stop_before_pixels=True)
    return int(header.Rows), int(header.Columns)


def _check(header: Any, max_pixels: int) -> None:
    """Refuses what is no single gray film, before its pixels are unpacked."""
    kind, frames = header.get("PhotometricInterpretation"), int(header.get("NumberOfFrames") or 1)
    if "Rows" not in header:
        raise ValueError("a DICOM file without a picture")
    if header.Rows * header.Columns > max_pixels:
        raise ValueError(f"{header.Columns} x {header.Rows} pixels, more than {max_pixels:,}")
    if frames > 1:
        raise ValueError(f"{frames} frames: a film has one")
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"{kind} pixels: a film is gray")


def _show(header: Any) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(header.pixel_array, header)
    return np.asarray(apply_voi_lut(values, header), "float64")


def _find_film(header: Any) -> np.ndarray:
    """(H, W) bool: the pixels that are not padding, whose value may lie far below all others."""
    stored, padding = header.pixel_array, header.get("PixelPaddingValue")
    if padding is None:
        return np.ones(stored.shape, dtype=bool)
    ends = sorted((int(padding), int(header.get("PixelPaddingRangeLimit", padding))))
    film = (stored < ends[0]) | (stored > ends[1])
    return film if film.any() else ~film


def _scale(values: np.ndarray, film: np.ndarray) -> np.ndarray:
    """Stretched over the grays from the film's darkest to its brightest pixel; padding is cut off at them."""
    low, high = float(values[film].min()), float(values[film].max())
    return np.round((values.clip(low, high) - low) * (255 / (high - low or 1))).astype(np.uint8)
