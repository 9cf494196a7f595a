"""Grad-CAM (Selvaraju et al. 2017, arxiv.org/abs/1610.02391)."""

import torch

from chexpert.explain.cam import GradientCam


class GradCAM(GradientCam):
    """Channels weighted by their summed gradient.

    The paper takes the mean. Behind average pooling the sum is the gradient of the logit by the pooled feature,
    whatever the size of the map, so that members with finer maps count as much as those with coarser ones.
    """

    name = "gradcam"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return (gradient.sum((2, 3), keepdim=True) * feature).sum(1)
