"""Latent Shift (Cohen et al. 2021, arxiv.org/abs/2102.09475): move a latent along the gradient of a logit."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from math import exp, log
from typing import Protocol

import numpy as np
import torch

from chexpert.explain.attribution import explaining
from chexpert.explain.counterfactual.fit import to_gray
from chexpert.explain.methods.integrated_gradients import without_weight_gradients
from chexpert.models import Model

LADDER = 11
"""Steps that are tried at once, each twice the one before; the last is the longest that is allowed."""
HALVINGS = 6
"""Between the last step that falls short and the first that does not: the step is then known to 1 in 64."""
POINTS = 4
"""Images between the lowered and the original one at which the gradient of the logit is taken."""


class Codec(Protocol):
    """What of an autoencoder is used here."""

    spread: torch.Tensor
    """Unit of a step."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the latents of images (B, 1, H, W), float in [0, 1]."""
        ...

    def decode(self, latents: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        """Return the images (B, 1, H, W) of latents, of this height and width."""
        ...


@dataclass(frozen=True)
class ShiftSettings:
    """How far the latent is moved, and what is shown.

    Attributes:
        amount: share of the way of the probability to 0, or to 1, in (0, 1).
        longest: the longest step, in distances of a training image from the mean.
        detail: add the change of the decoded image to the original image; false: the decoded image itself, which lacks
            what the autoencoder lost.
    """

    amount: float = 0.9
    longest: float = 1.0
    detail: bool = True


class LatentPath:
    """The images on a line in the latent through one image, along the gradient of one logit.

    Args:
        model: in evaluation mode, with weights that take no gradients.
        autoencoder: on the device of the image.
        image: (1, H, W) uint8.
        output: index of the logit.
        detail: see :class:`ShiftSettings`.
    """

    def __init__(self, model: Model, autoencoder: Codec, image: torch.Tensor, output: int, detail: bool = True) -> None:
        self.model, self.autoencoder, self.output = model, autoencoder, output
        self.original = to_gray(image)[None]
        self.size = tuple(image.shape[-2:])
        with torch.no_grad():
            self.latent = autoencoder.encode(self.original)
            decoded = autoencoder.decode(self.latent, self.size)
            self.lost = self.original - decoded if detail else torch.zeros_like(decoded)
        self.direction = self._differentiate()

    def _differentiate(self) -> torch.Tensor:
        """The gradient of the logit by the latent, of length 1; 0 where the logit has none."""
        latent = self.latent.clone().requires_grad_()
        logit = self.model(self.autoencoder.decode(latent, self.size) + self.lost)[0, self.output]
        (gradient,) = torch.autograd.grad(logit, latent)
        return gradient / gradient.norm().clamp_min(torch.finfo(gradient.dtype).tiny)

    @torch.no_grad()
    def decode(self, steps: list[float]) -> torch.Tensor:
        """Return the images (S, 1, H, W) float in [0, 1] after these steps from the image, in the unit of spread."""
        lengths = torch.tensor(steps, dtype=torch.float32).to(self.latent.device) * self.autoencoder.spread
        latents = self.latent + lengths.view(-1, *[1] * (self.latent.ndim - 1)) * self.direction
        return (self.autoencoder.decode(latents, self.size) + self.lost).clamp(0, 1)

    @torch.no_grad()
    def compute_logits(self, images: torch.Tensor) -> np.ndarray:
        """Return logits (S, C) float64 of images (S, 1, H, W)."""
        return self.model(images).float().cpu().double().numpy()

    def compute_logit(self, steps: list[float]) -> np.ndarray:
        """Return the logit (S,) after these steps."""
        return self.compute_logits(self.decode(steps))[:, self.output]


@dataclass(frozen=True)
class Counterfactual:
    """An image with the logit of an observation lowered and raised.

    Attributes:
        images: (F, H, W) float32 in [0, 1], in the model's coordinates, from lowered to raised.
        logits: (F, C) float64 of these images.
        steps: F steps in the latent; 0 is the start.
        reached: whether the logit came as far as wanted, lowered and raised.
        original: (H, W) float32, what the model sees.
        original_logits: (C,) of the image itself: other ones than at step 0 where ``detail`` is false.
    """

    images: np.ndarray
    logits: np.ndarray
    steps: list[float]
    reached: tuple[bool, bool]
    original: np.ndarray
    original_logits: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """(H, W): the image at step 0 less the lowered one, positive where lowering the logit made it darker."""
        return self.images[self.steps.index(0.0)] - self.images[0]


def make_counterfactual(
    model: Model, autoencoder: Codec, image: torch.Tensor, output: int, settings: ShiftSettings, side: int = 3
) -> Counterfactual:
    """Lower and raise the logit of one image; nothing is random.

    Args:
        model: on the device of the image; it is not changed.
        autoencoder: likewise.
        image: (1, H, W) uint8.
        output: index of the logit.
        settings: how far.
        side: images on each side of the start.

    Returns:
        2 * side + 1 images with their logits.
    """
    with prepare(model):
        path = LatentPath(model, autoencoder, image, output, settings.detail)
        start = float(path.compute_logit([0.0])[0])
        (low, lowered), (high, raised) = (find_step(path.compute_logit, start, sign, settings) for sign in (-1, 1))
        steps = [low * k / side for k in range(side, 0, -1)] + [0.0] + [high * k / side for k in range(1, side + 1)]
        images = path.decode(steps)
        found, logits = images[:, 0].cpu().numpy(), path.compute_logits(images)
        own = path.compute_logits(path.original)[0]
        original = path.original[0, 0].cpu().numpy()
    return Counterfactual(found, logits, steps, (lowered, raised), original, own)


def prepare(model: Model) -> ExitStack:
    """Return a context in which a model is in evaluation mode and its weights take no gradients."""
    stack = ExitStack()
    stack.enter_context(explaining(model))
    stack.enter_context(without_weight_gradients(model))
    return stack


def find_step(
    measure: Callable[[list[float]], np.ndarray], start: float, sign: int, settings: ShiftSettings
) -> tuple[float, bool]:
    """Find the shortest step that moves a logit as far as wanted.

    Args:
        measure: from S steps to S logits.
        start: the logit at step 0.
        sign: -1 to lower the logit, 1 to raise it.
        settings: how far, and the longest step.

    Returns:
        The step, with its sign; and whether the logit gets there. Where it does not, it is the step that moves the
        logit furthest, 0 if none moves it that way.
    """
    wanted = move_logit(start, sign, settings.amount)
    lengths = [settings.longest * 2.0**-k for k in reversed(range(LADDER))]
    moved = sign * (measure([sign * length for length in lengths]) - start)
    enough = np.flatnonzero(moved >= abs(wanted - start))
    if not len(enough):
        best = int(moved.argmax())
        return (sign * lengths[best] if moved[best] > 0 else 0.0), False
    high = lengths[enough[0]]
    low = lengths[enough[0] - 1] if enough[0] else 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        far = sign * (float(measure([sign * middle])[0]) - start) >= abs(wanted - start)
        low, high = (low, middle) if far else (middle, high)
    return sign * high, True


def move_logit(logit: float, sign: int, amount: float) -> float:
    """Return the logit of the probability that is moved by a share of its way to 0, or to 1.

    >>> round(move_logit(0.0, -1, 0.9), 3), round(move_logit(0.0, 1, 0.9), 3)
    (-2.944, 2.944)
    """
    # 1 / p of the probability that shrinks is 1 + exp(sign * logit), and grows to that over 1 - amount
    return sign * log((amount + exp(sign * logit)) / (1 - amount))


def weigh_difference(path: LatentPath, lowered: torch.Tensor) -> np.ndarray:
    """Return which pixels of the change moved the logit: the change times the mean gradient on the way.

    The pixels add up, nearly, to what the logit lost: integrated gradients (Sundararajan et al. 2017) from the lowered
    image.

    Args:
        path: through the image.
        lowered: (1, 1, H, W) float in [0, 1].

    Returns:
        (H, W) float32, positive where the change lowered the logit.
    """
    start = path.decode([0.0])
    shares = (torch.arange(POINTS) + 0.5) / POINTS
    points = lowered + shares.to(lowered.device).view(-1, 1, 1, 1) * (start - lowered)
    points = points.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(path.model(points)[:, path.output].sum(), points)
    return ((start - lowered) * gradient.mean(0, keepdim=True))[0, 0].cpu().numpy()
