"""RISE (Petsiuk et al. 2018, arxiv.org/abs/1806.07421): random soft masks, weighted by what the model then says."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from chexpert.explain.attribution import Attribution
from chexpert.explain.methods.perturbation import Perturbing
from chexpert.models import Model

FLOOR = 0.25  # share of the mean variance over the pixels


class Rise(Perturbing):
    """How the logit rises and falls with what a pixel shows, over random masks.

    The paper averages masks weighted by the probability. Here the mean logit is taken off first and the result
    divided by the masks' variance at the pixel: the regression of the logit on the pixel. So the map is signed, and
    does not depend on how much the masks show on average.

    The grid reaches a cell beyond the image, so that no pixel lies in the outer half of a cell, where enlarging only
    repeats it: masks would vary more at the image's border, and noise would have its peaks there.

    Args:
        samples: masked images. The paper takes 4,000 and more; noise falls with their square root.
        cells: of the coarse random grid along a side, which is enlarged bilinearly and shifted at random.
        fill: what is hidden becomes this: ``blur``, ``mean``, ``local`` or ``black``; the paper's is black.
        seed: of the masks.
        memory: MiB that a forward pass may take for its activations; see ``batched_inference.find_memory``.
        batch_size: images a forward pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
    """

    name = "rise"
    counts = ("samples", "cells")

    def __init__(
        self,
        samples: int = 1000,
        cells: int = 8,
        fill: str = "local",
        seed: int = 0,
        memory: float | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(fill, memory, batch_size)
        self.samples, self.cells, self.seed = samples, cells, seed

    def passes(self, outputs: int) -> int:
        """Return one pass a mask, whatever the number of outputs."""
        return self.samples

    def explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Explain one view (1, H, W) uint8."""
        masks = Masks(self.samples, self.cells, image.shape[-2:], self.seed)
        original, hidden = image[0].float(), self.hide(image).float()

        def write(start: int, buffer: torch.Tensor) -> None:
            for row, mask in enumerate(masks(start, start + len(buffer))):
                buffer[row, 0] = torch.lerp(hidden, original, mask.to(original.device)).round()

        # double: logits differ by little, and the order of a sum must not show
        logits = self.probe(model, self.samples, write, image).double()[:, list(outputs)]
        signed = masks.regress(logits - logits.mean(0)).numpy()
        settings = {"samples": self.samples, "cells": self.cells, "seed": self.seed}
        return [self.attribute(own, **settings) for own in signed]


class Masks:
    """Random masks (n, H, W) in [0, 1], made again from a few bits whenever they are asked for.

    Args:
        samples: how many there are.
        cells: of the coarse grid along a side.
        size: (H, W).
        seed: of grids and shifts.
    """

    def __init__(self, samples: int, cells: int, size: Sequence[int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.grids = torch.from_numpy(rng.integers(0, 2, (samples, cells + 3, cells + 3), dtype=np.uint8))
        self.size = tuple(size)
        self.steps = [-(-side // cells) for side in size]  # pixels a cell
        self.shifts = np.stack([rng.integers(0, step, samples) for step in self.steps], axis=1)

    def __call__(self, start: int, end: int) -> torch.Tensor:
        """Masks ``start`` .. ``end - 1``."""
        height, width = self.size
        full = [step * self.grids.shape[-1] for step in self.steps]
        large = interpolate(self.grids[start:end, None].float(), full, mode="bilinear", align_corners=False)[:, 0]
        shifts = self.shifts[start:end] + self.steps  # past the outermost cells
        return torch.stack([m[y : y + height, x : x + width] for m, (y, x) in zip(large, shifts, strict=True)])

    def regress(self, changes: torch.Tensor) -> torch.Tensor:
        """Return the slope, (C, H, W), of changes (samples, C) of mean 0 with each pixel's mask."""
        covariance = torch.zeros(changes.shape[1], *self.size, dtype=torch.double)
        total, square, chunk = torch.zeros_like(covariance[0]), torch.zeros_like(covariance[0]), 16
        for start in range(0, len(changes), chunk):
            masks, some = self(start, start + chunk).double(), changes[start : start + chunk].double()
            covariance += torch.einsum("nc,nhw->chw", some, masks)
            total, square = total + masks.sum(0), square + masks.square().sum(0)
        count = len(changes)
        variance = square / count - (total / count) ** 2
        # of few masks some pixel may have next to none: it cannot say more than the others
        return covariance / count / torch.maximum(variance, FLOOR * variance.mean())
