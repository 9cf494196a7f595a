"""From attenuation to the gray values of a radiograph: exposure, side marker, collimation, grain."""

import cv2
import numpy as np
from numpy.typing import NDArray

from chexpert.data.phantom.images.canvas import Layer


def expose(rng: np.random.Generator, thickness: Layer, position: str) -> Layer:
    """Return the gray values, (H, W) in [0, 1], of a radiograph of `thickness` >= 0 with its marker and borders.

    No constant here may depend on the picture: that would leak the findings.
    """
    gain, gamma, veil = np.exp(rng.normal(0, 0.10)), np.exp(rng.normal(0, 0.18)), rng.uniform(0, 0.10)
    stopped = 1 - np.asarray(cv2.exp(thickness * np.float32(-1.4 * gain)), np.float32)
    image: Layer = np.asarray(cv2.pow(stopped, 1.25 * gamma), np.float32)
    image *= np.float32(0.97 - veil)
    image += np.float32(veil)
    _stamp(rng, image, position)
    _collimate(rng, image)
    return image


def add_grain(rng: np.random.Generator, image: Layer) -> NDArray[np.uint8]:
    """Add grain to an exposed radiograph and quantise it: (H, W), 0-255."""
    noise = np.asarray(cv2.GaussianBlur(rng.standard_normal(image.shape, np.float32), (0, 0), 0.7), np.float32)
    noise *= np.float32(rng.uniform(0.008, 0.022)) * np.sqrt(image)
    noise += image
    return np.asarray(cv2.convertScaleAbs(np.maximum(noise, 0), alpha=255), np.uint8)


def _stamp(rng: np.random.Generator, image: Layer, position: str) -> None:
    height, width = image.shape
    letter, side = ("L", 0.88) if rng.random() < 0.6 else ("R", 0.06)
    size = min(image.shape) / 256 * rng.uniform(0.5, 0.8)
    at = int(width * side), int(height * rng.uniform(0.06, 0.22))
    ink = np.zeros(image.shape, np.uint8)
    cv2.putText(ink, letter, at, cv2.FONT_HERSHEY_SIMPLEX, size, 242, max(1, round(2 * size)), cv2.LINE_AA)
    if position == "AP" and rng.random() < 0.5:
        at = int(width * side) - round(24 * size), at[1] + round(16 * size)
        cv2.putText(ink, "PORTABLE", at, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * size, 242, 1, cv2.LINE_AA)
    np.maximum(image, ink.astype(np.float32) * np.float32(1 / 255), out=image)


def _collimate(rng: np.random.Generator, image: Layer) -> None:
    height, width = image.shape
    top, bottom, left, right = (rng.random(4) < 0.3) * rng.uniform(0.01, 0.05, 4)
    image[: round(top * height)] = 0
    image[height - round(bottom * height) :] = 0
    image[:, : round(left * width)] = 0
    image[:, width - round(right * width) :] = 0
