"""Train an autoencoder on images, and measure what its reconstruction costs."""

import torch
from torch.nn import functional as F

from chexpert.console import show_progress
from chexpert.explain.counterfactual.autoencoder import Autoencoder, Shape

BATCH = 32
RATE = 2e-3


def fit_autoencoder(
    images: torch.Tensor, shape: Shape, epochs: int = 30, seed: int = 0, device: torch.device | str = "cpu"
) -> Autoencoder:
    """Train an autoencoder.

    The random state of the caller does not change; the same arguments give the same weights on the same machine.

    Args:
        images: (N, 1, h, w) uint8 at the size of the network.
        shape: sizes of the layers.
        epochs: passes over the images.
        seed: of the weights and of the order.
        device: to train on.

    Returns:
        The autoencoder, on that device; its weights take no gradients.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        network = Autoencoder(shape).to(device)
        batches = [rows for _ in range(epochs) for rows in torch.randperm(len(images)).split(BATCH)]
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=len(batches) + 1, pct_start=0.1)
        for rows in show_progress(batches, "training the autoencoder", len(batches)):
            loss = measure_loss(network, to_gray(images[rows].to(device)))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    network.requires_grad_(False)
    network.spread.copy_(measure_spread(network, images))
    return network


def to_gray(images: torch.Tensor) -> torch.Tensor:
    """Return images uint8 as float32 in [0, 1]."""
    return images.float() / 255


def measure_loss(network: Autoencoder, images: torch.Tensor) -> torch.Tensor:
    """Return the loss of the reconstruction of images (B, 1, h, w), float in [0, 1]: of gray values and of edges."""
    made = network(images)
    down, right = (F.l1_loss(made.diff(dim=side), images.diff(dim=side)) for side in (-2, -1))
    return F.l1_loss(made, images) + F.mse_loss(made, images) + down + right


@torch.no_grad()
def measure_spread(network: Autoencoder, images: torch.Tensor) -> torch.Tensor:
    """Return the mean distance of the latents of images (N, 1, h, w) uint8 from their mean: a scalar tensor."""
    device = next(network.parameters()).device
    latents = torch.cat([network.encode(to_gray(part.to(device))) for part in images.split(BATCH)])
    return (latents - latents.mean(0)).flatten(1).norm(dim=1).mean()


@torch.no_grad()
def measure_psnr(network: Autoencoder, images: torch.Tensor) -> float:
    """Return the mean over images (N, 1, H, W) uint8 of the peak signal-to-noise ratio of their reconstruction, in dB.

    Of an exact reconstruction it is infinite.
    """
    device, errors = next(network.parameters()).device, []
    for part in images.split(BATCH):
        gray = to_gray(part.to(device))
        errors.append((network(gray).clamp(0, 1) - gray).square().flatten(1).mean(1).cpu())
    return float(-10 * torch.cat(errors).log10().mean())
