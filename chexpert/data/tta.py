"""Test-time augmentation: the mean of the probabilities over several views of an image."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from chexpert.data.augmentation import Augmentation, warp
from chexpert.data.random_streams import open_stream
from chexpert.image_size import ImageSize

STILL = Augmentation(rotation=0, scale=(1, 1), shift=0, flip=0)
Predict = Callable[[torch.Tensor], torch.Tensor]
"""Images (B, 1, H, W) uint8 to probabilities (B, C)."""


def make_transforms(tta: str | int, augmentation: Augmentation, size: ImageSize, seed: int) -> torch.Tensor:
    """Return the transforms of the K views of an image, the same for all images; the first leaves it as it is.

    Args:
        tta: ``flip``: the image and its mirror image; ``shift``: the image, and it moved left, right, up and down by
            the largest shift of training; K: the image and K - 1 affines, sampled as in training.
        augmentation: of the training.
        size: of the model's input.
        seed: of the affines.

    Returns:
        (K, 2, 3) float32, as :func:`chexpert.data.warp` takes them.
    """
    still = np.eye(3)
    if tta == "flip":
        others = [replace(STILL, flip=1.0).matrix(size, np.random.default_rng(0))]
    elif tta == "shift":
        down, right = (max(1, round(augmentation.shift * side)) for side in size)  # whole pixels: nothing interpolated
        others = [move(x, y) for x, y in ((-right, 0), (right, 0), (0, -down), (0, down))]
    else:  # more of them begin with the same ones
        streams = [open_stream(seed, "test", n, purpose="test-time augmentation") for n in range(1, int(tta))]
        others = [augmentation.matrix(size, stream) for stream in streams]
    return torch.from_numpy(np.stack([still, *others])[:, :2].astype(np.float32))


def move(x: float, y: float) -> np.ndarray:
    """Return the (3, 3) affine that moves an image by x and y pixels."""
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def predict_views(predict: Predict, images: torch.Tensor, transforms: torch.Tensor | None) -> torch.Tensor:
    """Return the mean of the probabilities over the views of each image, one view after another: memory is of one.

    Args:
        predict: of one view of each image.
        images: (B, 1, H, W) uint8.
        transforms: (K, 2, 3) float32; None: the images as they are.

    Returns:
        (B, C) float32; on the CPU where there are transforms, since not every device has float64.
    """
    if transforms is None:
        return predict(images)
    return average_views(list_views(predict, images, transforms))


def list_views(predict: Predict, images: torch.Tensor, transforms: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the probabilities (B, C) float64 of one view of each image after another, on the CPU; as predict_views."""
    for transform in transforms.to(images.device):
        yield predict(warp(images, transform.expand(len(images), 2, 3))).double().cpu()


def average_views(views: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the mean (B, C) float32 of the probabilities (B, C) float64 of views."""
    total, count = torch.zeros((), dtype=torch.float64), 0  # the mean of equal ones is that probability, to the bit
    for view in views:
        total, count = total + view, count + 1
    return (total / count).float()
