"""Grad-CAM (Selvaraju et al. 2017, arxiv.org/abs/1610.02391) on the last feature map of each backbone."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from chexpert.explain.attribution import Attribution, explaining
from chexpert.models import Model


class GradCAM:
    """One forward pass for all outputs, gradients of the logit from the classifier back to the feature map only.

    A model of this project is ``classify`` of ``feature_maps``, so the maps are at hand: no hook is set, frozen
    weights do not matter, and no in-place ReLU can change what is read. The map is taken where pooling reads it.

    For a combined model the members' maps are summed before anything is normalised: each is already weighted by
    the gradient through the shared classifier, so a member that does not count does not show.
    """

    name = "gradcam"

    def __call__(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Attributions of the given outputs for one image (1, H, W) uint8."""
        with explaining(model):
            with torch.no_grad():
                maps = model.feature_maps(image[None])
            maps = {name: feature.detach().requires_grad_() for name, feature in maps.items()}
            logits = model.classify(maps)[0]
            return [self._attribute(model, maps, logits[output], image.shape[-2:]) for output in outputs]

    def _attribute(
        self, model: Model, maps: dict[str, torch.Tensor], logit: torch.Tensor, size: Sequence[int]
    ) -> Attribution:
        gradients = torch.autograd.grad(logit, list(maps.values()), retain_graph=True)
        signed = {
            name: _upsample(weighted_sum(feature.detach(), gradient), size)
            for (name, feature), gradient in zip(maps.items(), gradients, strict=True)
        }
        layers = {name: model.members[name].layer for name in maps}
        manifest = {"explainer": self.name, "layer": layers, "of": "logit"}
        return Attribution(np.sum(list(signed.values()), axis=0), signed if len(signed) > 1 else {}, manifest)


def weighted_sum(feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Channels weighted by their summed gradient: (1, K, h, w) twice to (1, 1, h, w), signed.

    The paper takes the mean. Behind average pooling the sum is the gradient of the logit by the pooled feature,
    whatever the size of the map, so that members with finer maps count as much as those with coarser ones.
    """
    weights = gradient.sum((2, 3), keepdim=True)
    return (weights * feature).sum(1, keepdim=True)


def _upsample(cam: torch.Tensor, size: Sequence[int]) -> np.ndarray:
    """Bilinear, as CheXlocalize does it (align_corners=False)."""
    return interpolate(cam.float(), size=tuple(size), mode="bilinear", align_corners=False)[0, 0].cpu().numpy()
