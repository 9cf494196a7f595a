"""HiRes-CAM (Draelos & Carin 2020, arxiv.org/abs/2011.08891)."""

import torch

from chexpert.explain.cam import GradientCam


class HiResCAM(GradientCam):
    """Gradient times feature, cell by cell, times the number of cells.

    Behind average pooling every cell has the same gradient, and this is Grad-CAM. On an earlier map (``stride``) it
    keeps where the gradient is, which Grad-CAM averages away.
    """

    name = "hirescam"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return (gradient * feature).sum(1) * feature[0, 0].numel()
