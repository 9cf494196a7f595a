"""Random gray values for training views: contrast, brightness, gamma, blur, noise, erased rectangles."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from chexpert.errors import OWN, UserError

WHITE = 255
STRENGTHS = 6
"""Columns of a view's parameters before its rectangles: contrast, brightness, gamma, blur, noise, key of the noise."""
KEYS = 2**24
"""Keys of the noise; all are exact in float32."""
TRUNCATE = 4
"""Standard deviations after which a Gaussian kernel ends, as SciPy's does by default."""
MOST_BLUR, MOST_CUTOUT = 10, 100
VECTOR = 16
"""Numbers that a processor takes at once: of fewer, ``exp`` has another last digit."""
AT_ONCE = 4
"""Images on a CPU: what is computed of more leaves its cache, and takes twice as long."""
BELOW_ONE = math.nextafter(1, 0)
BITS = 0xFFFFFFFF
HALF = 0xFFFF


@dataclass(frozen=True, kw_only=True)
class Photometric:
    """Random changes of the gray values of a view, each off by default, applied in the order of :meth:`apply`.

    The units are those of torchvision (``ColorJitter``, ``GaussianBlur``), kornia (``RandomGamma``) and MONAI
    (``RandGaussianNoise``, which samples its standard deviation likewise).

    Attributes:
        brightness: b in [0, 1): gray values are multiplied by a factor in [1 - b, 1 + b].
        contrast: c in [0, 1): distances from the image's mean are multiplied by a factor in [1 - c, 1 + c].
        gamma: least and greatest exponent of gray values between black (0) and white (1), above 0; below 1 brightens.
        noise: largest standard deviation of Gaussian noise as a share of white, in [0, 1].
        blur: largest standard deviation of a Gaussian blur in pixels of the model's input, in [0, 10].
        cutout: number of rectangles that are erased: filled with the image's mean (DeVries and Taylor 2017).
        cutout_side: least and greatest side of a rectangle as a share of the image's, in (0, 1].
    """

    brightness: float = 0.0
    contrast: float = 0.0
    gamma: tuple[float, float] = (1.0, 1.0)
    noise: float = 0.0
    blur: float = 0.0
    cutout: int = 0
    cutout_side: tuple[float, float] = (0.1, 0.3)

    @staticmethod
    def validate_args(**options: Any) -> list[UserError]:
        """Return the errors in these arguments, of which others may be given too."""
        return list(find_wrong_ranges(options))

    @property
    def columns(self) -> int:
        """The number P of parameters of a view; 0 where nothing is changed."""
        changes = self._tones or self.noise > 0 or self.blur > 0 or self.cutout > 0
        return STRENGTHS + 4 * self.cutout if changes else 0

    @property
    def _tones(self) -> bool:
        return self.brightness > 0 or self.contrast > 0 or tuple(self.gamma) != (1, 1)

    def sample(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """Sample the parameters of a view of ``height`` x ``width`` pixels, float32.

        A setting changes its own parameters alone: each takes its random numbers, also where it is off.

        Returns:
            Factors of contrast and brightness, exponent, standard deviations of blur and noise, key of the noise; and
            of each rectangle top, left, bottom, right in pixels, the last two exclusive.
        """
        contrast, brightness = 1 + rng.uniform(-1, 1, size=2) * (self.contrast, self.brightness)
        gamma = rng.uniform(*self.gamma)
        blur, noise = rng.random(size=2) * (self.blur, self.noise)
        strengths = [contrast, brightness, gamma, blur, noise, rng.integers(KEYS)]
        shape = np.array([height, width])
        boxes = [self._sample_box(shape, rng) for _ in range(self.cutout)]
        return np.array([*strengths, *np.ravel(boxes)], dtype=np.float32)

    def _sample_box(self, shape: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A rectangle whose center lies anywhere in the image; what would lie outside is cut off."""
        center = rng.integers(shape)
        sides = np.maximum(np.rint(rng.uniform(*self.cutout_side, size=2) * shape), 1)
        start = center - sides // 2
        return np.concatenate([np.maximum(start, 0), np.minimum(start + sides, shape)])

    def apply(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        """Change the gray values of each image by its own parameters, on the device where they are.

        In this order: contrast, brightness, gamma, blur, noise, cutout. An image comes out the same in any batch.

        Args:
            images: (B, 1, H, W) uint8.
            parameters: (B, P) float32, as :meth:`sample` returns them.

        Returns:
            (B, 1, H, W) uint8.
        """
        if not len(images):  # every view of the batch was skipped
            return images
        if images.device.type == "cpu" and len(images) > AT_ONCE:
            parts = zip(images.split(AT_ONCE), parameters.split(AT_ONCE), strict=True)
            return torch.cat([self.apply(*part) for part in parts])
        contrast, brightness, gamma, blur, noise, key = parameters[:, :STRENGTHS].unbind(1)
        if self._tones:
            images = change_tones(images, contrast, brightness, gamma)
        if self.blur > 0 or self.noise > 0:
            grays = images.float()
            if self.blur > 0:
                grays = blur_images(grays, blur, int(TRUNCATE * self.blur + 0.5))
            if self.noise > 0:
                grays = grays + sample_noise(key, grays.shape[-2:]).mul_((WHITE * noise)[:, None, None, None])
            images = grays.round().clamp_(0, WHITE).to(torch.uint8)
        return erase(images, parameters[:, STRENGTHS:]) if self.cutout else images


def change_tones(
    images: torch.Tensor, contrast: torch.Tensor, brightness: torch.Tensor, gamma: torch.Tensor
) -> torch.Tensor:
    """Change contrast about each image's mean, then brightness, then gamma: one table of 256 gray values an image.

    Each step ends at black and white, as in torchvision; the result is rounded once.

    Args:
        images: (B, 1, H, W) uint8.
        contrast: (B,) factors.
        brightness: (B,) factors.
        gamma: (B,) exponents.
    """
    tones = torch.arange(WHITE + 1, device=images.device, dtype=torch.float32)
    mean, contrast, brightness, gamma = (part[:, None] for part in (average(images), contrast, brightness, gamma))
    table = (mean + contrast * (tones - mean)).clamp_(0, WHITE)
    table = (table * brightness).clamp_(0, WHITE)
    table = (table / WHITE).pow(gamma).mul_(WHITE).round_().to(torch.uint8)
    return table.gather(1, images.flatten(1).long()).view_as(images)


def average(images: torch.Tensor) -> torch.Tensor:
    """Return the mean gray value of each image, (B,) float32; its sum is exact, on any device."""
    return images.flatten(1).sum(1).float() / images[0].numel()


def blur_images(grays: torch.Tensor, sigma: torch.Tensor, radius: int) -> torch.Tensor:
    """Blur each image by its own Gaussian, which ends at ``TRUNCATE`` standard deviations; borders are repeated.

    Each step is one operation on single pixels, or on whole vectors: a fused one rounds otherwise at a batch's end.

    Args:
        grays: (B, 1, H, W) float32.
        sigma: (B,) standard deviations in pixels; 0 leaves an image as it is.
        radius: of the largest kernel, in pixels.
    """
    distances = torch.arange(-(-(radius + 1) // VECTOR) * VECTOR, device=grays.device)
    weights = (-0.5 * (distances / sigma.clamp(min=1e-3)[:, None]).square()).exp()
    weights = weights * (distances <= (TRUNCATE * sigma[:, None] + 0.5).floor())
    center, *others = weights[:, : radius + 1, None, None, None].unbind(1)
    total = center + 2 * sum(others)
    for axis in (3, 2):
        length, sides = grays.shape[axis], (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius)
        padded, grays = pad(grays, sides, mode="replicate"), grays * (center / total)
        for k, weight in enumerate(others, 1):
            pair = padded.narrow(axis, radius - k, length) + padded.narrow(axis, radius + k, length)
            grays += pair.mul_(weight / total)
    return grays


def sample_noise(keys: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return standard normal noise (B, 1, H, W) float32 that is a function of key and pixel alone, on any device.

    A pixel's number is hashed with the key, and 16 bits of the hash choose one of 65,536 normal quantiles.

    Args:
        keys: (B,) whole numbers below ``KEYS``, float32.
        shape: (H, W).
    """
    pixels = shape[0] * shape[1]
    numbers = torch.arange(-(-pixels // 2), device=keys.device)
    hashes = mix(mix(numbers) ^ mix(keys.long())[:, None])
    halves = torch.cat([hashes & HALF, hashes >> 16], dim=1)[:, :pixels]  # each hash serves two pixels
    return normal_quantiles(keys.device).take(halves).view(-1, 1, *shape)


def mix(numbers: torch.Tensor) -> torch.Tensor:
    """Hash whole numbers below 2**32 (int64) to such numbers: ``lowbias32`` of github.com/skeeto/hash-prospector."""
    hashes = ((numbers >> 16) ^ numbers).mul_(0x7FEB352D).bitwise_and_(BITS)
    hashes = ((hashes >> 15) ^ hashes).mul_(0x846CA68B).bitwise_and_(BITS)
    return (hashes >> 16) ^ hashes


@lru_cache
def normal_quantiles(device: torch.device) -> torch.Tensor:
    """Return the normal quantiles of 65,536 evenly spaced probabilities, float32."""
    probabilities = (torch.arange(HALF + 1, dtype=torch.float64) + 0.5) / (HALF + 1)
    return torch.special.ndtri(probabilities).float().to(device)


def erase(images: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Fill rectangles with each image's mean, so that erasing moves no batch statistics.

    Args:
        images: (B, 1, H, W) uint8.
        boxes: (B, 4 N): of each rectangle top, left, bottom, right in pixels, the last two exclusive.
    """
    rows, columns = (torch.arange(side, device=images.device) for side in images.shape[-2:])
    erased = torch.zeros_like(images, dtype=torch.bool)
    for box in boxes.split(4, dim=1):
        top, left, bottom, right = box[..., None].unbind(1)
        inside = [(rows >= top) & (rows < bottom), (columns >= left) & (columns < right)]
        erased |= inside[0][:, None, :, None] & inside[1][:, None, None]
    return torch.where(erased, average(images).round().to(torch.uint8)[:, None, None, None], images)


SHARE = "from 0 (off) to below 1, such as 0.2"
RANGES: Mapping[str, tuple[float, str]] = {
    "brightness": (BELOW_ONE, SHARE),
    "contrast": (BELOW_ONE, SHARE),
    "noise": (1, "a share of white from 0 (off) to 1, such as 0.02"),
    "blur": (MOST_BLUR, f"pixels from 0 (off) to {MOST_BLUR}, such as 1"),
}
"""The largest value of each setting that is one number, and a hint."""
PAIRS: Mapping[str, tuple[float, str]] = {
    "gamma": (math.inf, "the least and the greatest exponent, above 0, such as [0.8,1.25]"),
    "cutout_side": (1, "the least and the greatest share of the side, above 0 and up to 1, such as [0.1,0.3]"),
}
"""Likewise of each setting that is two numbers in order."""


def find_wrong_ranges(options: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the settings that lie outside of their ranges, one error each."""
    for key, (most, hint) in RANGES.items():
        value = options.get(key, 0)
        if not (_is_number(value) and 0 <= value <= most):
            yield _refuse(key, value, hint)
    for key, (most, hint) in PAIRS.items():
        value = options.get(key, (1, 1))
        pair = isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))
        if not (pair and 0 < value[0] <= value[1] <= most):
            yield _refuse(key, value, hint)
    count = options.get("cutout", 0)
    if not (isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MOST_CUTOUT):
        yield _refuse("cutout", count, f"a number of rectangles from 0 (off) to {MOST_CUTOUT}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(key: str, value: object, hint: str) -> UserError:
    return UserError(f"{value!r} is not possible", code="value", where=f"{OWN}{key}", hint=hint)
