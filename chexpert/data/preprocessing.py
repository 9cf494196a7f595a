"""The one way from an image file to what a model sees, for training, validation, explaining and prediction alike."""

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from chexpert.problem import ProblemError

MAX_PIXELS = 64_000_000  # CheXpert's largest films have about 7 million; a 388 kB PNG can claim 400 million
FITS = ("stretch", "crop", "pad")

cv2.setNumThreads(0)  # the loader's workers are the parallelism; OpenCV's own threads fight with them


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
        return torch.from_numpy(self.apply(read_gray(path)))[None]

    def apply(self, gray: np.ndarray, augment: np.ndarray | None = None) -> np.ndarray:
        """Carries (H, W) uint8 to (size, size) uint8 in one interpolation.

        Args:
            gray: the decoded film.
            augment: (3, 3) affine in model coordinates, applied after the fit. None leaves it out.
        """
        matrix = self.matrix(*gray.shape)
        gray, matrix = _shrink(gray, matrix)
        if augment is not None:
            matrix = augment @ matrix
        border = cv2.BORDER_REPLICATE if augment is None and self.fit != "pad" else cv2.BORDER_CONSTANT
        return cv2.warpAffine(gray, matrix[:2], (self.size, self.size), flags=cv2.INTER_LINEAR, borderMode=border)

    def matrix(self, height: int, width: int) -> np.ndarray:
        """(3, 3) affine from film coordinates to model coordinates, (x, y) at pixel centres."""
        x, y = self.size / width, self.size / height
        if self.fit == "crop":
            x = y = max(x, y)
        elif self.fit == "pad":
            x = y = min(x, y)
        return about((width - 1) / 2, (height - 1) / 2, np.diag([x, y, 1.0]), (self.size - 1) / 2)


def about(x: float, y: float, linear: np.ndarray, target: float) -> np.ndarray:
    """The affine that applies ``linear`` about (x, y) and sets that point down at (target, target)."""
    to_origin = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])
    to_target = np.array([[1, 0, target], [0, 1, target], [0, 0, 1.0]])
    return to_target @ linear @ to_origin


def read_gray(path: str | Path) -> np.ndarray:
    """Decodes an image file to (H, W) uint8 gray.

    Pillow, since it refuses truncated files, which OpenCV fills with gray.

    Raises:
        ProblemError: the file is missing, truncated, no image, too large, or of a kind without a gray meaning.
    """
    try:
        with Image.open(io.BytesIO(Path(path).read_bytes())) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            if image.mode == "I;16":  # convert("L") would saturate: keep the high byte
                return (np.asarray(image) >> 8).astype(np.uint8)
            if image.mode not in ("L", "LA", "RGB", "RGBA", "P", "1"):
                raise ValueError(f"image mode {image.mode}")
            return np.asarray(image.convert("L"))
    except FileNotFoundError as error:
        raise _unreadable("this image is missing", path) from error
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        raise _unreadable(f"this image cannot be read: {error}", path) from error


def _unreadable(what: str, path: str | Path) -> ProblemError:
    mend = "restore the file, or leave such views out and count them: data.on_missing=skip"
    return ProblemError(what, where=str(path), mend=mend)


def _shrink(gray: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Averages over whole pixel blocks first where the film is over twice too large: bilinear would alias."""
    factor = int(1 / max(matrix[0, 0], matrix[1, 1]))
    if factor < 2:
        return gray, matrix
    height, width = gray.shape[0] // factor, gray.shape[1] // factor
    small = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    y, x = gray.shape[0] / height, gray.shape[1] / width  # a block's sides: the factor, and what is left over
    return small, matrix @ np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])
