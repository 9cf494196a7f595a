"""Eigen-CAM (Muhammad & Yeasin 2020, arxiv.org/abs/2008.00299), told apart by observation."""

import torch

from chexpert.explain.cam import GradientCam


class EigenCAM(GradientCam):
    """Grad-CAM of the feature map's mean and first principal component alone.

    The component by itself knows no observation, and its sign and size mean nothing. Grad-CAM is linear in the
    feature map: on the part of it that is the mean plus the first component, it is its own mean plus its projection
    on the component. So the component's shape gets the sign and size that the logit gives to its direction (its
    least-squares coefficient to Grad-CAM), and the map's mean stays what the logit got from this member.
    """

    name = "eigencam"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        cells = feature.flatten(2).transpose(1, 2)
        component = torch.linalg.svd(cells - cells.mean(1, keepdim=True), full_matrices=False).U[..., :1]
        gradcam = (cells * gradient.sum((2, 3))[:, None]).sum(2, keepdim=True)
        mean = gradcam.mean(1, keepdim=True)
        projected = mean + component * (component * (gradcam - mean)).sum(1, keepdim=True)
        return projected[..., 0].unflatten(1, feature.shape[2:])
