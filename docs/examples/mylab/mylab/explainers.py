"""An explainer: a model and views in, one map in the model's input coordinates for each output asked for."""

from collections.abc import Sequence

import torch

from chexpert.explain import Attribution, Explainer, explaining
from chexpert.models import Model


class GradientTimesInput(Explainer):
    """The gradient of the logit by each pixel, times the pixel (Shrikumar et al. 2017, arxiv.org/abs/1605.01713)."""

    name = "gradient_times_input"

    def passes(self, outputs: int) -> int:
        """Return one pass, and a backward one, which counts as two, for each output."""
        return 1 + 2 * outputs

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Explain views (B, 1, H, W) uint8."""
        with explaining(model):
            return [self._explain(model, image, own) for image, own in zip(images, outputs, strict=True)]

    def _explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        pixels = (image[None].float() / 255).requires_grad_()
        logits = model(pixels)[0]
        gradients = [torch.autograd.grad(logits[output], pixels, retain_graph=True)[0] for output in outputs]
        manifest = {"explainer": self.name, "layer": "input", "of": "logit"}
        return [Attribution((gradient * pixels).detach()[0, 0].cpu().numpy(), {}, manifest) for gradient in gradients]
