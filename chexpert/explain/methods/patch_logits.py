"""The logits of a model's own patches as the map."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from chexpert.errors import UserError
from chexpert.explain.methods.cam import HiResCAM
from chexpert.image_size import ImageSize
from chexpert.models import Model, PatchBackbone, Single


class PatchLogits(HiResCAM):
    """The logit of each patch less the classifier's bias, in every pixel of the patch.

    For a single model with average pooling and unconditional labels the mean over the patches plus the bias is the
    model's logit, and nothing was computed for the explanation. A member of a combined model has its part of the logit
    there. Of other poolings and of conditional labels the map is gradient times feature, as of :class:`HiResCAM`.

    Args:
        smooth: interpolate between the centers of patches; by default each pixel has the mean of the patches that it
            lies in.
    """

    name = "patch_logits"

    def __init__(self, smooth: bool = False) -> None:
        super().__init__()
        self.smooth = smooth

    def check(self, model: Model) -> None:
        """Check that all members of a model see patches, before training.

        Raises:
            UserError: one sees whole images.
        """
        for member in model.members.values():
            if not isinstance(member, PatchBackbone):
                message = f"{member.name} sees whole images and has no patch logits"
                hint = "explainer=[hirescam,gradcam], or model=patches"
                raise UserError(message, code="explainer", where="explainer.patch_logits", hint=hint)

    def describe(self, model: Model, images: torch.Tensor, maps: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Return the manifest; a map of blocks is flat within a patch, so that it points at no center of a cell."""
        unit = {"unit": "logit of each patch, less the bias"} if puts_out_mean(model) else {}
        manifest = super().describe(model, images, maps) | unit
        return {key: value for key, value in manifest.items() if key != "grid" or self.smooth}

    def enlarge(self, model: Model, name: str, cam: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Give each pixel the mean of the patches (B, rows, columns) that it lies in, (B, H, W)."""
        member = model.members[name]
        if self.smooth or not isinstance(member, PatchBackbone):
            return super().enlarge(model, name, cam, size)
        return member.spread(cam, ImageSize(*size))


def puts_out_mean(model: Model) -> bool:
    """Return whether a model's logits are the means of those of its patches."""
    backbone = model.members.get("backbone")
    patches = isinstance(model, Single) and isinstance(backbone, PatchBackbone) and backbone.pooling == "avg"
    return patches and model.output_head.parents is None
