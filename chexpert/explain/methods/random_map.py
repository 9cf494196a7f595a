"""A control: a map that knows nothing of the image or the model. What it reaches, any explainer reaches by chance."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch

from chexpert.explain.attribution import Attribution, Explainer, check_request
from chexpert.explain.geometry import mean_side
from chexpert.models import Model

SMOOTH = 0.05  # standard deviation as a share of the side: blobs about as large as those of a CAM


class RandomMap(Explainer):
    """Smooth noise that wraps around, so that its peak falls on each pixel with the same probability.

    The hit rate on a mask is thus the share of the picture that it covers.

    Args:
        seed: of the noise; the gray values of the image and the output count too, so that no two maps are the same.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def passes(self, outputs: int) -> int:
        """Return 0: the model is not run."""
        return 0

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        return [
            [self._sample(image[0].cpu().numpy(), output) for output in own]
            for image, own in zip(images, outputs, strict=True)
        ]

    def _sample(self, gray: np.ndarray, output: int) -> Attribution:
        rng = np.random.default_rng([self.seed, zlib.crc32(gray.tobytes()), output])
        manifest = {"explainer": self.name, "layer": "none", "of": "nothing", "seed": self.seed}
        return Attribution(smooth_noise(rng, *gray.shape), {}, manifest)


def smooth_noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return noise (H, W) float32 of mean 0 and variance 1: white, filtered by a Gaussian on a torus."""
    side = mean_side((height, width))  # blobs are round on a rectangle too
    y, x = np.fft.fftfreq(height) * side, np.fft.rfftfreq(width) * side  # cycles a side
    passed = np.exp(-2 * (np.pi * SMOOTH) ** 2 * (y[:, None] ** 2 + x**2))
    passed[0, 0] = 0
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) * passed, (height, width))
    return (noise / noise.std()).astype("float32")
