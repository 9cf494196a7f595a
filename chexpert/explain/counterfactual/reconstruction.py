"""What the reconstruction of images alone does to the outputs of a model."""

from collections.abc import Sequence
from typing import Any

import torch

from chexpert.explain.counterfactual.autoencoder import Autoencoder
from chexpert.explain.counterfactual.fit import BATCH, measure_psnr, to_gray
from chexpert.explain.counterfactual.latent_shift import prepare
from chexpert.models import Model


def measure_reconstruction(
    model: Model, autoencoder: Autoencoder, images: torch.Tensor, observations: Sequence[str]
) -> dict[str, Any]:
    """Measure the reconstruction of images by its error, and by the probabilities that a model gives it.

    Args:
        model: on the device to use.
        autoencoder: likewise.
        images: (N, 1, H, W) uint8.
        observations: names of the C outputs.

    Returns:
        ``images``; ``psnr`` in dB; and by observation ``change``, the mean absolute change of the probability,
        ``positives``, the images with a probability of .5 or more, and ``kept``, the share of these that have it in
        their reconstruction too (NaN where there are none).
    """
    device = next(autoencoder.parameters()).device
    before, after = [], []
    with prepare(model), torch.no_grad():
        for part in images.split(BATCH):
            gray = to_gray(part.to(device))
            before.append(model(gray).float().sigmoid().cpu())
            after.append(model(autoencoder(gray).clamp(0, 1)).float().sigmoid().cpu())
    own, made = torch.cat(before), torch.cat(after)
    change, positive = (made - own).abs().mean(0), own >= 0.5
    return {
        "images": len(images),
        "psnr": measure_psnr(autoencoder, images),
        "probabilities": {
            name: {
                "change": float(change[c]),
                "positives": int(positive[:, c].sum()),
                "kept": float((made[positive[:, c], c] >= 0.5).float().mean()),
            }
            for c, name in enumerate(observations)
        },
    }
