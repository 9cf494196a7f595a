"""A small convolutional autoencoder of chest images, whose latent keeps the layout of the image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from chexpert.image_size import ImageSize

LONGEST = 128
"""Pixels of the longer side that the network works at by default: larger images are reduced."""


@dataclass(frozen=True)
class Shape:
    """What decides the layers of an autoencoder.

    Attributes:
        height: of the images that the network works at, in pixels; a multiple of ``stride``.
        width: likewise.
        stride: pixels of a cell of the latent, a power of two.
        latent: channels of the latent.
        channels: of the convolutions.
    """

    height: int
    width: int
    stride: int = 8
    latent: int = 16
    channels: int = 32

    @classmethod
    def of(cls, size: ImageSize, longest: int = LONGEST, **layers: int) -> "Shape":
        """Return the shape for images of a size: reduced to ``longest`` where they are larger, in whole cells.

        >>> Shape.of(ImageSize(320, 390), 128).width, Shape.of(ImageSize(320, 390), 128).height
        (128, 104)
        """
        stride = layers.get("stride", cls.stride)
        factor = min(1.0, longest / max(size))
        height, width = (max(stride, round(side * factor / stride) * stride) for side in size)
        return cls(height, width, **layers)

    def record(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return asdict(self)


class Autoencoder(nn.Module):
    """Encodes images into a latent (B, K, h, w) and decodes it.

    A cell of the latent sees and changes its surroundings only, so that its change has a place in the image.
    There is no layer that depends on the mode or on the batch.

    Args:
        shape: sizes of the layers.
    """

    spread: torch.Tensor
    """Mean distance of the latents of the training images from their mean: the unit of a step in the latent."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("spread", torch.ones(()))
        stages, channels = shape.stride.bit_length() - 1, shape.channels
        down: list[nn.Module] = []
        for stage in range(stages):
            down += [nn.Conv2d(channels if stage else 1, channels, 4, 2, 1), nn.SiLU(), Residual(channels)]
        self.encoder = nn.Sequential(*down, nn.Conv2d(channels, shape.latent, 1))
        up: list[nn.Module] = [nn.Conv2d(shape.latent, channels, 1)]
        for stage in range(stages):
            up += [Residual(channels), nn.Upsample(scale_factor=2)]
            up += [nn.Conv2d(channels, channels, 3, 1, 1), nn.SiLU()] if stage < stages - 1 else []
        self.decoder = nn.Sequential(*up, nn.Conv2d(channels, 1, 3, 1, 1))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return latents (B, K, h, w) of images (B, 1, H, W) of any size, float in [0, 1]."""
        return self.encoder(2 * self.reduce(images) - 1)

    def reduce(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (B, 1, H, W) at the size of the network."""
        return resize(images, (self.shape.height, self.shape.width))

    def decode(self, latents: torch.Tensor, size: Sequence[int] | None = None) -> torch.Tensor:
        """Return images (B, 1, H, W) of a size, by default the network's; about [0, 1], and not cut off."""
        images = (self.decoder(latents) + 1) / 2
        return images if size is None else resize(images, size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of images (B, 1, H, W), float in [0, 1], at their size."""
        return self.decode(self.encode(images), images.shape[-2:])


class Residual(nn.Module):
    """Two convolutions, added to what they get."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1), nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1)
        self.layers = nn.Sequential(*layers)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps + self.layers(maps)


def resize(images: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Resize images (B, 1, H, W) without aliasing; they are returned as they are where they have that size."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, tuple(size), mode="bilinear", align_corners=False, antialias=True)
