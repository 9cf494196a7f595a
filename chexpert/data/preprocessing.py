"""The one way from an image file to what a model sees, for training, validation, explaining and prediction alike."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from chexpert.data.dicom import decode_dicom, is_dicom, size_of_dicom
from chexpert.data.manifest import CHANGED
from chexpert.problem import ProblemError

MAX_PIXELS = 64_000_000  # CheXpert's largest films have about 7 million; a 388 kB PNG can claim 400 million
ORIENTATION = 0x0112
"""By which EXIF says how a camera was held."""
FITS = ("stretch", "crop", "pad")

cv2.setNumThreads(0)  # the loader's workers are the parallelism; OpenCV's own threads fight with them


class Decoded(NamedTuple):
    """A film as it comes from its file."""

    gray: np.ndarray
    """(H, W) uint8; each pixel stands for a block of ``reduced`` x ``reduced`` pixels of the file."""
    height: int
    """Rows in the file."""
    width: int
    """Columns in the file."""
    reduced: int = 1
    mode: str = "L"
    """Pillow's word for the kind of pixels in the file; L is 8-bit gray."""


@dataclass(frozen=True)
class Preprocessing:
    """Geometry of the model's input; gray values are normalised inside the model, from its own buffers.

    Attributes:
        size: height and width of the input in pixels.
        fit: ``stretch`` both sides to ``size``; ``crop`` the middle square; ``pad`` to a square with black.
    """

    size: int = 224
    fit: str = "stretch"

    def __call__(self, path: str | Path) -> torch.Tensor:
        """The view in this file as the model takes it: (1, size, size) uint8."""
        return torch.from_numpy(self.read(path))[None]

    def read(self, path: str | Path, sha256: str = "") -> np.ndarray:
        """The film in this file, fitted: (size, size) uint8. Augmentation and the decoded cache start from here.

        Where its SHA-256 is given, the file must be what it was.

        Raises:
            ProblemError: as ``read_gray`` does.
        """
        return self._fit(_decode(path, self.size, sha256))

    def apply(self, gray: np.ndarray) -> np.ndarray:
        """Carries (H, W) uint8 to (size, size) uint8."""
        return self._fit(Decoded(gray, *gray.shape))

    def matrix(self, height: int, width: int) -> np.ndarray:
        """(3, 3) affine from film coordinates to model coordinates, (x, y) at pixel centres."""
        x, y = self.size / width, self.size / height
        if self.fit == "crop":
            x = y = max(x, y)
        elif self.fit == "pad":
            x = y = min(x, y)
        return about((width - 1) / 2, (height - 1) / 2, np.diag([x, y, 1.0]), (self.size - 1) / 2)

    def _fit(self, film: Decoded) -> np.ndarray:
        side = max(film.height, film.width) if self.fit == "pad" else min(film.height, film.width)
        gray = _shrink(film.gray, side // (self.size * film.reduced))
        out = (self.size, self.size)
        if self.fit == "stretch" and film.reduced == 1:  # the same map as the matrix says, in a third of the time
            return cv2.resize(gray, out, interpolation=cv2.INTER_LINEAR)
        height, width = (film.reduced * a / b for a, b in zip(film.gray.shape, gray.shape, strict=True))  # of a block
        matrix = self.matrix(film.height, film.width) @ _blocks(width, height)
        border = cv2.BORDER_CONSTANT if self.fit == "pad" else cv2.BORDER_REPLICATE
        return cv2.warpAffine(gray, matrix[:2], out, flags=cv2.INTER_LINEAR, borderMode=border)


def about(x: float, y: float, linear: np.ndarray, target: float) -> np.ndarray:
    """The affine that applies ``linear`` about (x, y) and sets that point down at (target, target)."""
    to_origin = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])
    to_target = np.array([[1, 0, target], [0, 1, target], [0, 0, 1.0]])
    return to_target @ linear @ to_origin


def read_gray(path: str | Path) -> np.ndarray:
    """Decodes an image file to (H, W) uint8 gray, every pixel of it.

    Pillow, since it refuses truncated files, which OpenCV fills with gray.

    Raises:
        ProblemError: the file is missing, truncated, no image, too large, or of a kind without a gray meaning.
    """
    return _decode(path).gray


def read_size(path: str | Path) -> tuple[int, int] | None:
    """(height, width) as :func:`read_gray` gives it, from the file's header; None of what cannot be read."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(132)
        if is_dicom(start):
            return size_of_dicom(path)
        with Image.open(path) as image:
            turned = image.getexif().get(ORIENTATION, 1) != 1
            return read_gray(path).shape if turned else image.size[::-1]  # type: ignore[return-value]
    except Exception:  # what is wrong with it is told where it is read
        return None


def _decode(path: str | Path, size: int | None = None, sha256: str = "") -> Decoded:
    """Decodes the film in a file, which must have the SHA-256 if one is given; ``size`` as ``decode`` takes it."""
    try:
        content = Path(path).read_bytes()
        if sha256 and hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(CHANGED)
        return decode(content, size)
    except FileNotFoundError as error:
        raise _unreadable("this image is missing", path) from error
    except UnidentifiedImageError as error:  # whose own words tell of a buffer, not of the file
        raise _unreadable("this image cannot be read: its content is of no known format", path) from error
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        raise _unreadable(f"this image cannot be read: {error}", path) from error


def decode(content: bytes, size: int | None = None) -> Decoded:
    """Decodes a film; a JPEG at least twice larger than ``size`` both ways is averaged over blocks on the way.

    libjpeg averages 2 x 2, 4 x 4 or 8 x 8 pixels by leaving out the finer cosines of each block: half the time of a
    full decode of a film of v1.0, and over 40 dB from averaging its pixels.

    Raises:
        Exception: of almost any kind, by Pillow's plugins, where the content is damaged or no image.
    """
    if is_dicom(content):
        gray = decode_dicom(content, MAX_PIXELS)
        return Decoded(gray, *gray.shape)
    with Image.open(io.BytesIO(content)) as image:
        (width, height), mode = image.size, image.mode
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS:,}")
        side = size or min(width, height)  # draft gives None where it is no JPEG, or less than twice too large
        drafted = image.draft("L", (side, side)) if min(width, height) >= 2 * side else None
        reduced = round(width / drafted[1][2]) if drafted else 1
        return Decoded(_gray(image), height, width, reduced, mode)


def _gray(image: Image.Image) -> np.ndarray:
    if image.mode == "I;16":
        return _narrow(np.asarray(image))
    if image.mode not in ("L", "LA", "RGB", "RGBA", "P", "1"):
        raise ValueError(f"image mode {image.mode}")
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def _narrow(values: np.ndarray) -> np.ndarray:
    """The upper 8 of the bits that the brightest pixel needs: films have 10 to 16, and convert("L") would saturate."""
    return (values >> max(0, int(values.max(initial=0)).bit_length() - 8)).astype(np.uint8)


def _unreadable(what: str, path: str | Path) -> ProblemError:
    mend = "restore the file, or leave such views out and count them: data.on_missing=skip"
    return ProblemError(what, where=str(path), mend=mend)


def _shrink(gray: np.ndarray, factor: int) -> np.ndarray:
    """Averages over whole pixel blocks where the film is over twice too large: bilinear would alias."""
    if factor < 2:
        return gray
    height, width = (max(1, side // factor) for side in gray.shape)
    return cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)


def _blocks(x: float, y: float) -> np.ndarray:
    """The affine from an image whose pixels are blocks of x by y pixels to the image they were taken from."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])
