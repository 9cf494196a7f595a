"""Images that no model of chest radiographs should be used on: painted ones, and the photographs of scikit-image."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

SIDE = 256
COUNT = 20
"""Painted images of each kind."""
GRAY_PHOTOGRAPHS = ("camera", "coins", "moon", "brick", "grass", "gravel", "cell", "page", "text", "clock_motion")
COLOR_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "motorcycle_left", "ihc")


def list_photographs(names: Sequence[str]) -> list[Path]:
    """Files that the package brings; nothing is downloaded."""
    folder = Path(skimage.data.__file__).parent
    return [path for name in names for path in sorted(folder.glob(f"{name}.*")) if path.suffix in (".png", ".jpg")]


def paint_slice(rng: np.random.Generator) -> np.ndarray:
    """A CT-like axial slice: a bright ellipse on black, with lungs, spine and noise."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    wide, high = rng.integers(95, 120), rng.integers(70, 95)
    cv2.ellipse(image, (128, 128), (int(wide), int(high)), 0, 0, 360, 150, -1)
    for side in (-1, 1):
        middle = (128 + side * int(wide * 0.48), 122)
        cv2.ellipse(image, middle, (int(wide * 0.3), int(high * 0.6)), side * 8, 0, 360, 25, -1)
    cv2.circle(image, (128, 128 + int(high * 0.65)), 16, 240, -1)
    noise = rng.normal(0, 6, image.shape) * (image > 0)
    return (image + noise).clip(0, 255).astype(np.uint8)


def paint_document(rng: np.random.Generator) -> np.ndarray:
    """A gray page of text with a frame."""
    image = np.full((SIDE, SIDE), 225, np.uint8)
    cv2.rectangle(image, (10, 10), (SIDE - 10, SIDE - 10), 90, 1)
    for line in range(24, SIDE - 20, 12):
        words = "".join(rng.choice(list("abcdefghiklmnoprstu      "), 34))
        cv2.putText(image, words, (16, line), cv2.FONT_HERSHEY_PLAIN, 0.7, 30, 1)
    return image


def paint_noise(rng: np.random.Generator) -> np.ndarray:
    """Gray noise."""
    return rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


PAINTERS = {"CT-like slices": paint_slice, "documents": paint_document, "noise": paint_noise}


def write_foreign(folder: Path) -> dict[str, list[Path]]:
    """Write the painted images, and return all by kind."""
    found: dict[str, list[Path]] = {}
    for kind, paint in PAINTERS.items():
        images = [paint(np.random.default_rng((7, n))) for n in range(COUNT)]
        found[kind] = write(folder / kind, {f"{n}.png": image for n, image in enumerate(images)})
    for kind, value in (("black", 0), ("white", 255)):
        noisy = [np.random.default_rng(n).normal(value, 3, (SIDE, SIDE)).clip(0, 255) for n in range(5)]
        found[kind] = write(folder / kind, {f"{n}.png": image.astype(np.uint8) for n, image in enumerate(noisy)})
    found["photographs, gray"] = list_photographs(GRAY_PHOTOGRAPHS)
    found["photographs, color"] = list_photographs(COLOR_PHOTOGRAPHS)
    return found


def write_transformed(folder: Path, images: Mapping[str, np.ndarray]) -> dict[str, list[Path]]:
    """Write what upright images would be inverted, rotated, or under a wrong window."""
    changes = {
        "inverted": lambda image: 255 - image,
        "rotated by 90 degrees": lambda image: np.rot90(image),
        "rotated by 180 degrees": lambda image: np.rot90(image, 2),
        "rotated by 270 degrees": lambda image: np.rot90(image, 3),
        "wrong window": lambda image: np.where(image > np.percentile(image, 60), 255, 0).astype(np.uint8),
    }
    return {
        kind: write(folder / kind, {name: change(image) for name, image in images.items()})
        for kind, change in changes.items()
    }


def write(folder: Path, images: Mapping[str, np.ndarray]) -> list[Path]:
    """Write gray images as PNG, without loss."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        Image.fromarray(np.ascontiguousarray(image)).save(folder / name)
    return [folder / name for name in images]
