"""A map as a small picture that lies over its image: red speaks for the observation, blue against it."""

import base64
import io
import zlib
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from chexpert.metrics.localization.map_colors import color_evidence

LONGEST = 224  # pixels: maps are coarse, and an image is shown a few hundred pixels wide
ZERO = 127
"""Index of the color of no evidence; there are as many on both sides of it."""
OPAQUE = 0.85
UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, BadZipFile, zlib.error)
"""What a damaged archive of arrays raises."""


def plot_overlay(path: Path, scale: float | None) -> tuple[str, tuple[int, int]] | None:
    """Plot a map file as PNG in a data: address, with its image's width and height; None where it cannot be read.

    Args:
        path: as :func:`chexpert.explain.export.export_map` writes it.
        scale: raw value of the full color; None for the map's own largest.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # numpy leaves it open
            stored = {name: file[name] for name in ("map", "signed", "matrix", "width", "height") if name in file}
        size = int(stored["width"]), int(stored["height"])
        raw = spread(stored["signed"], stored["matrix"], size) if "matrix" in stored else stored["map"]
    except UNREADABLE:
        return None
    limit = scale or float(np.abs(raw).max()) or 1.0
    return encode(np.clip(raw / limit, -1, 1)), size


def spread(signed: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample a map to its whole image, (h, w) in its proportions; 0 where the model saw nothing.

    Args:
        signed: (H, W).
        matrix: (3, 3), from the image to the model's coordinates, (x, y) at pixel centers.
        size: width and height of the image.
    """
    step = max(size) / min(LONGEST, max(size))
    reduced = max(1, round(size[0] / step)), max(1, round(size[1] / step))
    x, y = size[0] / reduced[0], size[1] / reduced[1]
    # Pillow counts from the corners of pixels; from one of the picture to one of the image, then to one of the model
    across = matrix[0, 0] * x, matrix[0, 2] + 0.5 - 0.5 * matrix[0, 0]
    down = matrix[1, 1] * y, matrix[1, 2] + 0.5 - 0.5 * matrix[1, 1]
    image = Image.fromarray(np.ascontiguousarray(signed, "float32"))
    affine = (across[0], 0, across[1], 0, down[0], down[1])
    return np.asarray(image.transform(reduced, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR))


def encode(shares: np.ndarray) -> str:
    """Encode a map (h, w) in [-1, 1] as PNG of 255 colors in a data: address."""
    image = Image.fromarray(np.round(ZERO + ZERO * shares).astype("uint8"), "P")
    colors, opacities = find_palette()
    image.putpalette(colors)
    file = io.BytesIO()
    image.save(file, "PNG", transparency=opacities, optimize=True)
    return to_address(file.getvalue(), "image/png")


@cache
def find_palette() -> tuple[bytes, bytes]:
    """Return red, green and blue of each index, and its opacity."""
    colors = (255 * color_evidence((np.arange(2 * ZERO + 1) - ZERO) / ZERO, OPAQUE)).round().astype("uint8")
    return colors[:, :3].tobytes(), colors[:, 3].tobytes()


def to_address(content: bytes, kind: str) -> str:
    """Put a file into an address, so that no network is used."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
