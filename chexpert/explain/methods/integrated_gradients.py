"""Integrated gradients (Sundararajan et al. 2017, arxiv.org/abs/1703.01365)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from chexpert.explain.attribution import Attribution, explaining
from chexpert.explain.methods.perturbation import Perturbing
from chexpert.models import Model

ENOUGH = 0.02  # of the gain: what the pixels may miss
MOST_STEPS = 4


class IntegratedGradients(Perturbing):
    """The gradient of the logit by each pixel, averaged on the way from a baseline to the image, times the difference.

    The pixels then add up to what the logit gained on that way. An output whose pixels miss it by more than ``ENOUGH``
    of it is explained again with twice the steps, up to ``MOST_STEPS`` times those given. The manifest has the
    ``steps`` taken, ``completeness_error`` as a share of the gain (null where the logit gained nothing) and
    ``completeness_error_logit`` in logits.

    Args:
        steps: points on the way, in the middle of as many equal pieces.
        fill: the baseline: ``blur``, ``mean``, ``local`` or ``black``; black is the image before any exposure, and far
            enough from every image that the logit gains something on the way.
        memory: MiB that a forward and backward pass may take for its activations.
        batch_size: images a pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
    """

    name = "integrated_gradients"
    counts = ("steps",)

    def __init__(
        self, steps: int = 64, fill: str = "black", memory: float | None = None, batch_size: int | None = None
    ) -> None:
        super().__init__(fill, memory, batch_size)
        self.steps = steps

    def passes(self, outputs: int) -> int:
        """Return one pass a step, a backward one for each output, and two for the ends; doubled steps cost more."""
        return self.steps * (1 + 2 * outputs) + 2

    def explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Explain one view (1, H, W) uint8."""
        with explaining(model), without_weight_gradients(model):
            original, baseline = image.float() / 255, self.hide(image)[None].float() / 255
            way = original - baseline
            with torch.no_grad():
                ends = (
                    model(torch.stack([baseline, original]))[:, list(outputs)].cpu().double()
                )  # not every device has it
            gained = dict(zip(outputs, (ends[1] - ends[0]).tolist(), strict=True))
            found: dict[int, Attribution] = {}
            steps, left = self.steps, list(gained)
            while left:
                signed = self._integrate(model, baseline, way, left, steps) * way
                found |= {c: self._describe(own[0], gained[c], steps) for c, own in zip(left, signed, strict=True)}
                steps *= 2
                left = [c for c in left if misses(found[c], gained[c])] if steps <= MOST_STEPS * self.steps else []
        return [found[output] for output in outputs]

    def _describe(self, signed: torch.Tensor, gained: float, steps: int) -> Attribution:
        error = abs(signed.cpu().double().sum().item() - gained)
        share = error / abs(gained) if gained else None
        return self.attribute(
            signed.cpu().numpy(), steps=steps, completeness_error=share, completeness_error_logit=error
        )

    def _integrate(
        self, model: Model, baseline: torch.Tensor, way: torch.Tensor, outputs: Sequence[int], steps: int
    ) -> torch.Tensor:
        """(C, 1, H, W): the mean gradient of each output over the steps."""

        def run(start: int, count: int) -> torch.Tensor:
            done = (torch.arange(start, start + count, device=way.device) + 0.5) / steps
            points = (baseline + done.view(-1, 1, 1, 1) * way).requires_grad_()
            logits = model(points)
            gradients = [
                torch.autograd.grad(logits[:, output].sum(), points, retain_graph=output != outputs[-1])[0].sum(0)
                for output in outputs
            ]
            return torch.stack(gradients)

        size = min(steps, self.probe.batch_size or self.probe.fit(way, lambda: run(0, 1)))
        return (
            sum(self.probe.chunks(steps, size, run), torch.zeros(len(outputs), *way.shape, device=way.device)) / steps
        )


def misses(attribution: Attribution, gained: float) -> bool:
    """Return whether the sum of the pixels misses the gain of the logit by more than ``ENOUGH`` of it."""
    return bool(attribution.manifest["completeness_error_logit"] > ENOUGH * abs(gained))


@contextmanager
def without_weight_gradients(model: Model) -> Iterator[None]:
    """Turn off the gradients of all weights, so that nothing is stored for them."""
    needed = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in needed:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in needed:
            weight.requires_grad_()
