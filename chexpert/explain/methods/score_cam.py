"""Score-CAM (Wang et al. 2020, arxiv.org/abs/1910.01279)."""

from collections.abc import Sequence

import torch

from chexpert.errors import UserError
from chexpert.explain.attribution import Attribution, check_request, explaining
from chexpert.explain.batched_inference import Probe
from chexpert.explain.methods.cam import Cam, as_map, attribute
from chexpert.explain.methods.fills import FILLS, fill_image
from chexpert.metrics.localization.overlap import upsample
from chexpert.models import Model


class ScoreCAM(Cam):
    """Shows the image through each channel, and weights the channel by what that does to the logit; no gradients.

    A channel, brought to the image's size and to [0, 1], is a mask: 1 shows the image, 0 the fill. Its weight is the
    logit of the masked image minus that of the fill, and the map is the weighted sum of masks. The paper sums the
    channels themselves, with a softmax of the weights: where values are negative or scales differ, their sign and
    size would count twice, and no channel could speak against the observation.

    Masks are laid on the input, and the whole model answers: of a combined model the channels of every member are
    used in turn, and the map is the mean of the members' maps (each divided by their number, then summed).

    Args:
        channels: masks in all, shared evenly by the members: those with the largest mean activation. The paper takes
            every channel; DenseNet-121 has 1,024.
        fill: what shows where the image is hidden: ``blur``, ``mean``, ``local`` or ``black``.
        stride: explain the last map of this many pixels a cell (8, 16) instead of the last map of the network.
    """

    name = "scorecam"

    def __init__(self, channels: int = 64, fill: str = "blur", stride: int | None = None) -> None:
        super().__init__(stride)
        self.channels, self.fill = channels, fill

    @classmethod
    def validate_args(
        cls, stride: object = None, channels: object = 64, fill: object = "blur", **_: object
    ) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        errors = super().validate_args(stride)
        if not (isinstance(channels, int) and channels >= 1):
            message, hint = f"{channels!r} is not possible", "a whole number, 1 or more"
            errors.append(UserError(message, code="value", where=f"explainer.{cls.name}.channels", hint=hint))
        if fill not in FILLS:
            message, hint = f"{fill!r} is not possible", "one of " + ", ".join(FILLS)
            errors.append(UserError(message, code="choice", where=f"explainer.{cls.name}.fill", hint=hint))
        return errors

    def passes(self, outputs: int) -> int:
        """Return one pass a mask, one for the fill and one for the channels, whatever the number of outputs."""
        return self.channels + 2

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        pairs = zip(images, outputs, strict=True)
        return [self._explain(model, image, own) if len(own) else [] for image, own in pairs]

    def _explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        with explaining(model):
            maps, _ = model.trace(image[None], self.stride)
            manifest = self.describe(model, image[None], maps) | {"channels": self.channels, "fill": self.fill}
            share = max(1, self.channels // len(maps))
            size = image.shape[-2:]
            found = {name: as_map(model, name, own.detach(), self.stride, size) for name, own in maps.items()}
            masks = {name: make_masks(own[0], share, size) for name, own in found.items()}
        gains = self._probe(model, image, torch.cat(list(masks.values()))).to(image.device)
        shares = dict(zip(masks, gains.split([len(own) for own in masks.values()]), strict=True))
        members = [
            {k: torch.tensordot(shares[k][:, c], own, 1).cpu().numpy() / len(masks) for k, own in masks.items()}
            for c in outputs
        ]
        return [attribute(own, manifest) for own in members]

    def _probe(self, model: Model, image: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """What each mask (N, H, W) adds to the logits of the fill: (N, C)."""
        original = image.float() / 255  # not uint8: a soft mask's small changes would be rounded away
        fill = torch.from_numpy(fill_image(image[0].cpu().numpy(), self.fill)).to(original) / 255
        masks = torch.cat([torch.zeros_like(original), masks])

        def write(start: int, images: torch.Tensor) -> None:
            images.copy_(torch.lerp(fill[None], original, masks[start : start + len(images), None]))

        logits = Probe(title=self.name)(model, len(masks), write, original)
        return logits[1:] - logits[:1]


def make_masks(feature: torch.Tensor, count: int, size: Sequence[int]) -> torch.Tensor:
    """Return the ``count`` most active channels of a feature map (K, h, w) as masks (n, H, W) in [0, 1].

    A channel that is the same everywhere shows nothing in particular, and is left out.
    """
    strongest = feature.mean((1, 2)).argsort(descending=True, stable=True)[:count]
    masks = upsample(feature[strongest], *size)
    low, high = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
    varied = (high > low).flatten()
    return ((masks - low) / (high - low))[varied]
