"""LIME (Ribeiro et al. 2016, arxiv.org/abs/1602.04938) for gray films, in bounded memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lime.lime_base import LimeBase
from scipy.ndimage import gaussian_filter
from sklearn.metrics import pairwise_distances

from chexpert.explain.attribution import Attribution, check_request, explaining
from chexpert.explain.superpixels import segment
from chexpert.models import Model


class Lime:
    """Hides random sets of superpixels and fits a local linear model to the sigmoid of each observation.

    The perturbation, which is where the lime package spends memory and time, is done here, ``batch_size`` films at
    a time in one uint8 channel and without gradients: memory does not grow with ``samples``. One pass serves all
    observations. The weighted ridge regression is the package's own, with its kernel.

    Each observation is explained by its own sigmoid: the outputs are not exclusive, and a softmax over them would
    explain "this finding rather than the others".

    Args:
        samples: perturbed films. The author's rule is 10 or more a superpixel (marcotcr/lime issue 524).
        superpixels: wanted number inside the body.
        batch_size: films a forward pass.
        kernel_width: of the exponential kernel on the cosine distance, as in the package.
        blur: what is hidden becomes the film blurred by this share of its side. Black would look like air, and a
            superpixel's own mean would leave a bright effusion bright.
        seed: of the perturbations.
    """

    name = "lime"

    def __init__(
        self,
        samples: int = 1000,
        superpixels: int = 50,
        batch_size: int = 16,
        kernel_width: float = 0.25,
        blur: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.samples, self.superpixels, self.batch_size = samples, superpixels, batch_size
        self.kernel_width, self.blur, self.seed = kernel_width, blur, seed

    @staticmethod
    def find_problems(**options: Any) -> list[str]:
        """What is wrong with these arguments, before anything is built."""
        return [
            f"{options[key]!r} is not possible\n  where: explainer.lime.{key}\n  mend:  a whole number, 1 or more"
            for key in ("samples", "superpixels", "batch_size")
            if key in options and not (isinstance(options[key], int) and options[key] >= 1)
        ] + [
            f"{options[key]!r} is not possible\n  where: explainer.lime.{key}\n  mend:  a number above 0"
            for key in ("kernel_width", "blur")
            if key in options and not (isinstance(options[key], int | float) and options[key] > 0)
        ]

    def passes(self, outputs: int) -> int:
        """One a sample, whatever the number of outputs."""
        return self.samples

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        return [self._explain(model, image, own) for image, own in zip(images, outputs, strict=True)]

    def _explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        gray = image[0].cpu().numpy()
        segments = segment(gray, self.superpixels)
        shown = self.draw(int(segments.max()))
        hidden = torch.from_numpy(gaussian_filter(gray, self.blur * gray.shape[1])).to(image.device)
        probabilities = self.probe(model, image, segments, shown, hidden)
        return [self._attribute(segments, shown, probabilities[:, output]) for output in outputs]

    def draw(self, count: int) -> np.ndarray:
        """(samples, S) of 0 and 1: which of S superpixels a perturbed film shows. The first shows all."""
        shown = np.random.default_rng(self.seed).integers(0, 2, (self.samples, count))
        shown[0] = 1
        return shown

    def probe(
        self, model: Model, image: torch.Tensor, segments: np.ndarray, shown: np.ndarray, hidden: torch.Tensor
    ) -> np.ndarray:
        """Probabilities (samples, C) of the perturbed films, computed ``batch_size`` at a time.

        Args:
            model: images to logits.
            image: (1, H, W) uint8.
            segments: (H, W) superpixels from 1; 0 always shows.
            shown: (samples, S) of 0 and 1.
            hidden: (H, W) uint8, what stands in a superpixel that does not show.
        """
        place = torch.from_numpy(segments).to(image.device)
        keep = torch.from_numpy(shown.astype(bool)).to(image.device)
        keep = torch.cat([torch.ones_like(keep[:, :1]), keep], dim=1)
        rows = []
        with explaining(model), torch.no_grad():
            for some in keep.split(self.batch_size):
                films = torch.where(some[:, place], image[0], hidden)
                rows.append(model(films[:, None]).float().sigmoid().cpu())
        return torch.cat(rows).numpy()

    def _attribute(self, segments: np.ndarray, shown: np.ndarray, probabilities: np.ndarray) -> Attribution:
        weights, r2 = fit(shown, probabilities, self.kernel_width)
        signed = np.concatenate([[0], weights])[segments].astype("float32")
        manifest = {
            "explainer": self.name,
            "layer": "input superpixels",
            "of": "probability",
            "samples": self.samples,
            "superpixels": len(weights),
            "batch_size": self.batch_size,
            "kernel_width": self.kernel_width,
            "blur": self.blur,
            "seed": self.seed,
            "r2": r2,
        }
        return Attribution(signed, {}, manifest)


def fit(shown: np.ndarray, probabilities: np.ndarray, kernel_width: float) -> tuple[np.ndarray, float]:
    """Weight of each superpixel in the local linear model, and its R2, by the lime package's regression.

    Args:
        shown: (samples, S) of 0 and 1, the first row all 1.
        probabilities: (samples,) of one observation.
        kernel_width: of the exponential kernel on the cosine distance to the first row.
    """
    base = LimeBase(lambda distance: np.sqrt(np.exp(-(distance**2) / kernel_width**2)))
    distances = pairwise_distances(shown, shown[:1], metric="cosine").ravel()
    _, pairs, r2, _ = base.explain_instance_with_data(
        shown,
        probabilities[:, None],
        distances,
        label=0,
        num_features=shown.shape[1],
        feature_selection="none",
    )
    weights = np.zeros(shown.shape[1])
    for index, weight in pairs:
        weights[index] = weight
    return weights, float(r2)
