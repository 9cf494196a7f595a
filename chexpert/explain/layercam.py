"""Layer-CAM (Jiang et al. 2021, doi.org/10.1109/TIP.2021.3089943)."""

import torch

from chexpert.explain.cam import GradientCam


class LayerCAM(GradientCam):
    """The positive part of the gradient times the feature, cell by cell, times the number of cells.

    Made for the finer maps of earlier stages. It shows what speaks for the observation: where the map lies behind a
    ReLU, nothing is negative.
    """

    name = "layercam"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return (gradient.clamp(min=0) * feature).sum(1) * feature[0, 0].numel()
