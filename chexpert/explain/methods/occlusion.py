"""Occlusion (Zeiler & Fergus 2014, arxiv.org/abs/1311.2901): a patch slides over the image."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from chexpert.explain.attribution import Attribution
from chexpert.explain.methods.perturbation import Perturbing
from chexpert.models import Model


class Occlusion(Perturbing):
    """How far the logit drops where a patch hides the image, averaged at each pixel over the patches that cover it.

    Args:
        patch: side of the patch as a share of the image's.
        stride: steps of the patch, likewise; one above ``patch`` would leave pixels out, and is taken as ``patch``.
        fill: what is hidden becomes this: ``blur``, ``mean``, ``local`` or ``black``.
        memory: MiB that a forward pass may take for its activations; see ``batched_inference.find_memory``.
        batch_size: images a forward pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
    """

    name = "occlusion"
    shares = ("patch", "stride")

    def __init__(
        self,
        patch: float = 0.125,
        stride: float = 0.0625,
        fill: str = "local",
        memory: float | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(fill, memory, batch_size)
        self.patch, self.stride = patch, min(stride, patch)

    @property
    def places(self) -> int:
        """Positions of the patch along a side."""
        return math.ceil((1 - self.patch) / self.stride - 1e-9) + 1

    def passes(self, outputs: int) -> int:
        """Return one pass a position, and one for the image itself."""
        return self.places**2 + 1

    def explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Explain one view (1, H, W) uint8."""
        hidden = self.hide(image)
        windows = [np.s_[:0, :0], *place_patches(self.patch, self.places, *image.shape[-2:])]

        def write(start: int, buffer: torch.Tensor) -> None:
            buffer[:] = image
            for changed, window in zip(buffer, windows[start:], strict=False):
                changed[0][window] = hidden[window]

        logits = self.probe(model, len(windows), write, image)[:, list(outputs)].numpy()
        drops = np.zeros((*image.shape[-2:], len(outputs)), dtype="float32")
        cover = np.zeros((*image.shape[-2:], 1), dtype="float32")
        for window, after in zip(windows[1:], logits[1:], strict=True):
            drops[window] += logits[0] - after
            cover[window] += 1
        settings = {"patch": self.patch, "stride": self.stride}
        return [self.attribute(drops[..., rank] / cover[..., 0], **settings) for rank in range(len(outputs))]


def place_patches(patch: float, places: int, height: int, width: int) -> list[tuple[slice, slice]]:
    """Return windows of evenly placed patches; the first and last of a row or column lie at the image's border."""

    def along(side: int) -> list[slice]:
        size = math.ceil(patch * side)  # not less, or there were gaps where patches only touch
        return [slice(start, start + size) for start in np.linspace(0, side - size, places).round().astype(int)]

    return [(row, column) for row in along(height) for column in along(width)]
