"""Autoencoders that nobody trained, for tests of files and explainers."""

from pathlib import Path

import torch

from chexpert.data import Preprocessing
from chexpert.explain.counterfactual.autoencoder import Autoencoder, Shape
from chexpert.explain.counterfactual.autoencoder_file import StoredAutoencoder, write_autoencoder


def make_random_autoencoder(size: int, fit: str = "stretch") -> StoredAutoencoder:
    """An autoencoder with random weights, which takes images of this many pixels."""
    preprocessing = Preprocessing(size, fit)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Autoencoder(Shape.of(preprocessing.size, stride=4, latent=4, channels=4)).requires_grad_(False)
    return StoredAutoencoder(network, preprocessing, {"images": 0, "epochs": 0, "psnr": None, "synthetic": True})


def write_random_autoencoder(path: Path, size: int, fit: str = "stretch") -> str:
    """Write such an autoencoder, and return its path."""
    write_autoencoder(path, make_random_autoencoder(size, fit))
    return str(path)
