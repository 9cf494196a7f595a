"""A backbone: images (B, 1, H, W) in, a feature map (B, K, h, w) out. Grad-CAM and the combined model read the map."""

from typing import Any

import torch

from chexpert.models import Backbone


class SharpenedBackbone(Backbone):
    """A network of timm behind an unsharp mask.

    Args:
        amount: of the difference between the image and its blurred copy that is added to the image.
        options: further arguments of ``chexpert.models.Backbone``: name, pretrained, frozen, ...
    """

    def __init__(self, name: str, amount: float = 0.5, pretrained: bool | str = False, **options: Any) -> None:
        super().__init__(name, pretrained, **options)
        self.amount = amount

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the feature map of the sharpened images, uint8 or float in [0, 1]."""
        gray = images if images.is_floating_point() else images.to(self.mean.dtype) / 255
        blurred = torch.nn.functional.avg_pool2d(gray, 5, stride=1, padding=2, count_include_pad=False)
        return super().forward((gray + self.amount * (gray - blurred)).clamp(0, 1))
