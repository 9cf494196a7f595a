"""What the CAM family shares: feature maps traced once, each described, each brought to the input's size."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch

from chexpert.errors import UserError
from chexpert.explain.attribution import Attribution, Explainer, check_request, explaining
from chexpert.metrics import spearman
from chexpert.metrics.localization.overlap import upsample
from chexpert.models import Model, PatchBackbone


class Cam(Explainer, ABC):
    """A map made of the channels of a network's feature map; of each member's, for a combined model.

    The last map is taken where pooling reads it: behind the last activation, where the network has one there. The
    manifest says so under ``relu``; under ``grid`` it has the cells of the finest map (h, w), unless cells overlap.

    Members' maps are summed before anything is normalized. ``member_spearman`` in the manifest is the mean rank
    correlation over the pairs of members: near 1 where they look at the same regions, null where a map is constant.

    Args:
        stride: explain the last map of this many pixels a cell (8, 16) instead of the last map of the network.
    """

    name: str

    def __init__(self, stride: int | None = None) -> None:
        self.stride = stride

    @classmethod
    def validate_args(cls, stride: object = None, **_: object) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        if stride is None or (isinstance(stride, int) and stride >= 1):
            return []
        hint = "pixels a cell (8, 16, 32), or null for the last map"
        return [UserError(f"{stride!r} is not possible", code="value", where=f"explainer.{cls.name}.stride", hint=hint)]

    @abstractmethod
    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""

    def check(self, model: Model) -> None:
        """Check the stage, before training.

        Raises:
            UserError: a member has no stage of this stride.
        """
        for member in model.members.values():
            member.layer_at(self.stride)

    def describe(self, model: Model, images: torch.Tensor, maps: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Return the manifest of maps from :meth:`chexpert.models.Model.trace`."""
        size = images.shape[-2:]
        grids = [list(as_map(model, name, traced, self.stride, size).shape[-2:]) for name, traced in maps.items()]
        members = {name: model.members[name] for name in maps if name in model.members}
        return {
            "explainer": self.name,
            "layer": {name: member.layer_at(self.stride) for name, member in members.items()},
            "relu": {name: member.activation_side(images, self.stride) for name, member in members.items()},
            "of": "logit",
        } | ({} if overlaps(model) else {"grid": max(grids, key=np.prod)})


class GradientCam(Cam):
    """Channels weighted by what the gradient of the logit says of them.

    One forward pass serves all views and outputs, and no gradient goes below the feature map: frozen weights do not
    matter, and no in-place ReLU can change what is read.

    For a combined model each member's map is already weighted by the gradient through the shared classifier, so a
    member that does not count does not show, see :meth:`chexpert.models.Model.weigh`. All maps are densities: they do
    not depend on the number of cells, so that a member with a fine map counts as much as one with a coarse map. The
    means of the members' maps of the last layer by Grad-CAM and HiRes-CAM add up to the logit less the bias.
    """

    @abstractmethod
    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Combine feature map and gradient, (B, K, h, w) each, into a signed map (B, h, w)."""

    def passes(self, outputs: int) -> int:
        """Return 1: the layers behind the feature map cost hardly anything."""
        return 1

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        explained: list[list[Attribution]] = [[] for _ in outputs]
        if not any(map(len, outputs)):
            return explained
        size = images.shape[-2:]
        with explaining(model):
            maps, logits = model.trace(images, self.stride)
            manifest = self.describe(model, images, maps)
            for rank in range(max(map(len, outputs))):
                rows = [row for row, own in enumerate(outputs) if len(own) > rank]
                columns = [outputs[row][rank] for row in rows]
                # views do not see each other in evaluation mode, so the sum has each view's own gradient
                gradients = torch.autograd.grad(logits[rows, columns].sum(), list(maps.values()), retain_graph=True)
                signed = {
                    name: self.enlarge(model, name, self._combine(model, name, feature, gradient, size), size)
                    .cpu()
                    .numpy()
                    for (name, feature), gradient in zip(maps.items(), gradients, strict=True)
                }
                for row in rows:
                    explained[row].append(attribute({name: cams[row] for name, cams in signed.items()}, manifest))
        return explained

    def enlarge(self, model: Model, name: str, cam: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Bring the map (B, h, w) of a member to the size (H, W) of the images."""
        member = model.members.get(name)
        return member.interpolate(cam) if isinstance(member, PatchBackbone) else upsample(cam, *size)

    def _combine(
        self, model: Model, name: str, feature: torch.Tensor, gradient: torch.Tensor, size: Sequence[int]
    ) -> torch.Tensor:
        return self.combine(*(as_map(model, name, own, self.stride, size) for own in (feature.detach(), gradient)))


def as_map(model: Model, name: str, traced: torch.Tensor, stride: int | None, size: Sequence[int]) -> torch.Tensor:
    """Return the traced tensor of a member, or its gradient, as (B, K, h, w), which the last map is already.

    Args:
        model: that it is traced in.
        name: of the member.
        traced: from :meth:`chexpert.models.Model.trace`, or its gradient.
        stride: of the trace.
        size: height and width in pixels of the images.
    """
    member = model.members.get(name)
    if stride is None or member is None or isinstance(member, PatchBackbone):
        return traced
    return member.to_map(traced, size)


def overlaps(model: Model) -> bool:
    """Return whether cells of a map overlap in the image, so that they are no grid."""
    return any(isinstance(one, PatchBackbone) and one.step < one.patch for one in model.members.values())


def attribute(members: Mapping[str, np.ndarray], manifest: Mapping[str, Any]) -> Attribution:
    """Sum the members' raw maps (H, W); a single one is the map itself."""
    maps = list(members.values())
    if len(maps) == 1:
        return Attribution(maps[0], {}, dict(manifest))
    return Attribution(np.sum(maps, axis=0), dict(members), {**manifest, "member_spearman": mean_spearman(maps)})


def mean_spearman(maps: Sequence[np.ndarray]) -> float | None:
    """Return the mean Spearman correlation over all pairs of maps (H, W); None where one of them is constant.

    >>> mean_spearman([np.array([[1, 2, 3]]), np.array([[3, 2, 1]])])
    -1.0
    """
    mean = float(np.mean([spearman(*pair) for pair in combinations(maps, 2)]))
    return None if np.isnan(mean) else mean


class GradCAM(GradientCam):
    """Channels weighted by their summed gradient.

    The paper takes the mean. Behind average pooling the sum is the gradient of the logit by the pooled feature,
    whatever the size of the map, so that members with finer maps count as much as those with coarser ones.
    """

    name = "gradcam"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return (gradient.sum((2, 3), keepdim=True) * feature).sum(1)


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


class HiResCAM(GradientCam):
    """Gradient times feature, cell by cell, times the number of cells.

    Behind average pooling every cell has the same gradient, and this is Grad-CAM. On an earlier map (``stride``) it
    keeps where the gradient is, which Grad-CAM averages away.
    """

    name = "hirescam"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return (gradient * feature).sum(1) * feature[0, 0].numel()


class LayerCAM(GradientCam):
    """The positive part of the gradient times the feature, cell by cell, times the number of cells.

    Made for the finer maps of earlier stages. It shows what speaks for the observation: where the map lies behind a
    ReLU, nothing is negative.
    """

    name = "layercam"

    def combine(self, feature: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return (gradient.clamp(min=0) * feature).sum(1) * feature[0, 0].numel()


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
