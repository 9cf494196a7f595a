"""What the CAM family shares: one forward pass, then gradients from each logit back to the feature maps only."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from chexpert.explain.attribution import Attribution, check_request, explaining
from chexpert.models import Model


class Cam(ABC):
    """A map of channels, weighted by what the gradient of the logit says of them.

    One forward pass serves all views and outputs, and no gradient goes below the feature map: frozen weights do not
    matter, and no in-place ReLU can change what is read. The last map is taken where pooling reads it: behind the
    last activation, where the network has one there.

    For a combined model the members' maps are summed before anything is normalised: each is already weighted by
    the gradient through the shared classifier, so a member that does not count does not show.

    Args:
        stride: explain the last map of this many pixels a cell (8, 16) instead of the last map of the network.
    """

    name: str

    def __init__(self, stride: int | None = None) -> None:
        self.stride = stride

    @abstractmethod
    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Feature map and gradient, (B, K, h, w) each, to a signed map (B, h, w)."""

    def passes(self, outputs: int) -> int:
        """One: what lies behind the feature map hardly costs anything."""
        return 1

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        explained: list[list[Attribution]] = [[] for _ in outputs]
        with explaining(model):
            maps, logits = model.trace(images, self.stride)
            for rank in range(max(map(len, outputs), default=0)):
                rows = [row for row, own in enumerate(outputs) if len(own) > rank]
                columns = [outputs[row][rank] for row in rows]
                # views do not see each other in evaluation mode, so the sum has each view's own gradient
                gradients = torch.autograd.grad(logits[rows, columns].sum(), list(maps.values()), retain_graph=True)
                signed = {
                    name: upsample(self._combine_member(model, name, feature, gradient), images.shape[-2:])
                    for (name, feature), gradient in zip(maps.items(), gradients, strict=True)
                }
                for row in rows:
                    explained[row].append(self._attribute(model, {name: cams[row] for name, cams in signed.items()}))
        return explained

    def _combine_member(self, model: Model, name: str, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        to_map = model.members[name].to_map if name in model.members else lambda features: features
        return self.combine(to_map(feature.detach()), to_map(gradient))

    def _attribute(self, model: Model, signed: dict[str, np.ndarray]) -> Attribution:
        layers = {name: model.members[name].layer_at(self.stride) for name in signed if name in model.members}
        manifest: dict[str, Any] = {"explainer": self.name, "layer": layers, "of": "logit"}
        return Attribution(np.sum(list(signed.values()), axis=0), signed if len(signed) > 1 else {}, manifest)


def upsample(cams: torch.Tensor, size: Sequence[int]) -> np.ndarray:
    """Maps (B, h, w) to (B, H, W): bilinear, as CheXlocalize does it (align_corners=False)."""
    return interpolate(cams[:, None].float(), tuple(size), mode="bilinear", align_corners=False)[:, 0].cpu().numpy()
