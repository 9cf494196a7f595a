"""The one way from an image file to what a model sees, for training, validation, explaining and prediction alike."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from chexpert.data.decoding import Decoded, decode, describe_damage, read_size
from chexpert.data.gray import NO_CONTRAST, has_contrast
from chexpert.data.sources.manifest import CHANGED
from chexpert.errors import Code, UserError
from chexpert.image_size import DEFAULT, ImageSize

FITS = ("stretch", "crop", "pad")
LEAST_SIDE = 32
"""Pixels: images are scaled down to hundreds; icons and dots, which are smaller, are not predicted or explained."""

Source = str | Path | bytes
"""An image file, or its content in memory."""

cv2.setNumThreads(0)  # the loader's workers are the parallelism; OpenCV's own threads fight with them


@dataclass(frozen=True)
class Preprocessing:
    """Geometry of the model's input; gray values are normalized inside the model, from its own buffers.

    Attributes:
        size: height and width of the input in pixels; a whole number is the side of a square.
        fit: ``stretch`` both sides to ``size``; ``crop`` the largest part in the middle that has its proportions;
            ``pad`` to its proportions with black.
        least: refuse an image with a side of fewer pixels.
    """

    size: ImageSize = DEFAULT
    fit: str = "stretch"
    least: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", ImageSize.of(self.size))

    def __str__(self) -> str:
        return f"{self.size} px, {self.fit}"

    def __call__(self, path: Source) -> torch.Tensor:
        """The view in this file as the model takes it: (1, H, W) uint8, H and W those of ``size``."""
        return torch.from_numpy(self.read(path))[None]

    def read(self, path: Source, sha256: str = "") -> np.ndarray:
        """Read the image in this file, fitted: (H, W) uint8. Augmentation and the decoded cache start from here.

        Where its SHA-256 is given, the file must be what it was.

        Raises:
            UserError: as ``read_gray`` does.
        """
        return self.read_noted(path, sha256)[0]

    def read_noted(self, path: Source, sha256: str = "") -> tuple[np.ndarray, tuple[str, ...]]:
        """Read as ``read`` does, and return notes on the image: no contrast, no radiograph, ..."""
        return self.read_decoded(path, sha256)[1:]

    def read_decoded(self, path: Source, sha256: str = "") -> tuple[Decoded, np.ndarray, tuple[str, ...]]:
        """Read as ``read_noted`` does, and return the image as it came from its file before both."""
        image = _decode(path, self.size, sha256)
        if min(image.height, image.width) < self.least:
            message = f"{image.width} x {image.height} pixels: a radiograph has at least {self.least} on each side"
            raise _unreadable(f"this image is too small: {message}", path, code="image-size")
        return image, self._fit(image), image.notes if has_contrast(image.gray) else (*image.notes, NO_CONTRAST)

    def apply(self, gray: np.ndarray) -> np.ndarray:
        """Carry an image of any size, uint8, to the model's, (H, W) uint8."""
        return self._fit(Decoded(gray, *gray.shape))

    def matrix(self, height: int, width: int) -> np.ndarray:
        """Return the (3, 3) affine from image coordinates to model coordinates, (x, y) at pixel centers."""
        x, y = self.size.width / width, self.size.height / height
        if self.fit == "crop":
            x = y = max(x, y)
        elif self.fit == "pad":
            x = y = min(x, y)
        return about(find_middle(height, width), np.diag([x, y, 1.0]), find_middle(*self.size))

    def _fit(self, image: Decoded) -> np.ndarray:
        high, wide = self.size.height * image.reduced, self.size.width * image.reduced
        factors = image.height // high, image.width // wide
        gray = _shrink(image.gray, max(factors) if self.fit == "pad" else min(factors))
        out = (self.size.width, self.size.height)
        if self.fit == "stretch" and image.reduced == 1:  # the same map as the matrix says, in a third of the time
            return cv2.resize(gray, out, interpolation=cv2.INTER_LINEAR)
        height, width = (image.reduced * a / b for a, b in zip(image.gray.shape, gray.shape, strict=True))  # of a block
        matrix = self.matrix(image.height, image.width) @ _blocks(width, height)
        border = cv2.BORDER_CONSTANT if self.fit == "pad" else cv2.BORDER_REPLICATE
        return cv2.warpAffine(gray, matrix[:2], out, flags=cv2.INTER_LINEAR, borderMode=border)


def about(point: tuple[float, float], linear: np.ndarray, target: tuple[float, float]) -> np.ndarray:
    """Return the affine that applies ``linear`` about a point (x, y) and carries that point to ``target``."""
    to_origin = np.array([[1, 0, -point[0]], [0, 1, -point[1]], [0, 0, 1.0]])
    to_target = np.array([[1, 0, target[0]], [0, 1, target[1]], [0, 0, 1.0]])
    return to_target @ linear @ to_origin


def find_middle(height: int, width: int) -> tuple[float, float]:
    """Return the middle (x, y) of an image, at pixel centers."""
    return (width - 1) / 2, (height - 1) / 2


def read_gray(path: Source) -> np.ndarray:
    """Decode an image file to gray, every pixel of it.

    Pillow decodes, since it refuses truncated files, which OpenCV fills with gray.

    Args:
        path: image file, or its content.

    Returns:
        (H, W) uint8, turned as viewers show the image.

    Raises:
        UserError: the file is missing, truncated, no image, too large, or of a kind without a gray meaning.
    """
    return _decode(path).gray


def get_size(path: str | Path) -> tuple[int, int] | None:
    """Return the size of an image as :func:`read_gray` gives it, from the file's header.

    Args:
        path: image file.

    Returns:
        (height, width) in pixels; None where the file cannot be read.
    """
    try:
        return read_size(Path(path).read_bytes())
    except Exception:  # the reader of the file reports the error
        return None


def read_content(source: Source) -> bytes:
    """Return the content of an image file."""
    return source if isinstance(source, bytes) else Path(source).read_bytes()


def _name(source: Source) -> str:
    """Return what an error calls an image file, or one in memory."""
    return "the image" if isinstance(source, bytes) else str(source)


def _decode(path: Source, size: ImageSize | None = None, sha256: str = "") -> Decoded:
    """Decodes the image in a file, which must have the SHA-256 if one is given; ``size`` as ``decode`` takes it."""
    try:
        content = read_content(path)
        if sha256 and hashlib.sha256(content).hexdigest() != sha256:
            raise _unreadable(f"this image cannot be read: {CHANGED}", path, code="changed-file")
        return decode(content, size)
    except FileNotFoundError as error:
        raise _unreadable("this image is missing", path, code="missing-image") from error
    except IsADirectoryError as error:
        raise _unreadable("this is a folder, and no image", path, code="not-a-file") from error
    except UserError:
        raise
    except ImportError as error:
        raise UserError(str(error), code="not-installed", where=_name(path)) from error
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        raise _unreadable(describe_damage(error), path) from error


def _unreadable(message: str, path: Source, code: Code = "unreadable-image") -> UserError:
    hint = "restore the file, or leave such views out and count them: data.on_missing=skip"
    return UserError(message, code=code, where=_name(path), hint=hint)


def _shrink(gray: np.ndarray, factor: int) -> np.ndarray:
    """Averages over whole pixel blocks where the image is over twice too large: bilinear would alias."""
    if factor < 2:
        return gray
    height, width = (max(1, side // factor) for side in gray.shape)
    return cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)


def _blocks(x: float, y: float) -> np.ndarray:
    """The affine from an image whose pixels are blocks of x by y pixels to the image they were taken from."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])
