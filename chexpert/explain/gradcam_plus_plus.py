"""Grad-CAM++ (Chattopadhay et al. 2018, arxiv.org/abs/1710.11063)."""

import torch

from chexpert.explain.cam import GradientCam


class GradCAMPlusPlus(GradientCam):
    """Channels weighted by their positive gradients, each counted as 1 / (2 + gradient x the channel's sum).

    That is the paper's equation 19, shortened by the squared gradient. The grad-cam package instead adds 1e-6 below
    the fraction bar; behind average pooling squared gradients are smaller than that, and its weights become those of
    the cubed gradient.

    The paper thinks of maps behind a ReLU. Elsewhere a channel's sum may be negative and the fraction have a pole:
    such a sum counts as 0.

    The weights are not proportional to the gradient: of two equal members each has a little more than half the map.
    """

    name = "gradcam_plus_plus"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        positive = gradient.clamp(min=0)
        sums = feature.sum((2, 3), keepdim=True).clamp(min=0)
        weights = (positive / (2 + positive * sums)).sum((2, 3), keepdim=True)
        return (weights * feature).sum(1)
