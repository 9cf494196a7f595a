"""What the explainers share that change an image and watch the logits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from chexpert.errors import UserError
from chexpert.explain.attribution import Attribution, Explainer, check_request
from chexpert.explain.batched_inference import Probe
from chexpert.explain.methods.fills import FILLS, fill_image
from chexpert.models import Model


class Perturbing(Explainer, ABC):
    """Hides regions of an image; one set of perturbed images serves all outputs of a view.

    Args:
        fill: what stands where a region is hidden: ``blur``, ``mean``, ``local`` or ``black``.
        memory: MiB that a forward pass may take for its activations.
        batch_size: images a forward pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
    """

    name: str
    # names of the arguments by kind, for validate_args
    counts: tuple[str, ...] = ()
    halved: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    positives: tuple[str, ...] = ("memory",)
    choices: Mapping[str, tuple[str, ...]] = {"fill": FILLS}

    def __init__(self, fill: str, memory: float | None = None, batch_size: int | None = None) -> None:
        self.fill = fill
        self.probe = Probe(memory, batch_size, title=self.name)

    @classmethod
    def validate_args(cls, **options: Any) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        rules: list[tuple[Sequence[str], Callable[[Any], bool], str]] = [
            (cls.counts, is_count, "a whole number, 1 or more"),
            (cls.halved, lambda value: is_count(value) and value >= 2, "a whole number, 2 or more"),
            (["seed"], lambda value: value == 0 or is_count(value), "a whole number, 0 or more"),
            (["batch_size"], lambda value: value is None or is_count(value), "a whole number, or null"),
            (cls.shares, lambda value: is_positive(value) and value <= 1, "a number above 0, at most 1"),
            (cls.positives, is_positive, "a number above 0"),
            *(([key], known.__contains__, "one of " + ", ".join(known)) for key, known in cls.choices.items()),
        ]
        return [
            UserError(
                f"{options[key]!r} is not possible",
                code="choice" if key in cls.choices else "value",
                where=f"explainer.{cls.name}.{key}",
                hint=hint,
            )
            for keys, fits, hint in rules
            for key in keys
            if key in options and not fits(options[key])
        ]

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        return [self.explain(model, image, own) if own else [] for image, own in zip(images, outputs, strict=True)]

    @abstractmethod
    def passes(self, outputs: int) -> int:
        """Return the forward passes of a view."""

    @abstractmethod
    def explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Explain one view (1, H, W) uint8."""

    def hide(self, image: torch.Tensor) -> torch.Tensor:
        """Return the fill (H, W) uint8 of ``image`` (1, H, W), on its device."""
        return torch.from_numpy(fill_image(image[0].cpu().numpy(), self.fill)).to(image.device)

    def attribute(self, signed: np.ndarray, **settings: Any) -> Attribution:
        """Return a signed map (H, W) with its manifest."""
        manifest = {"explainer": self.name, "layer": "input", "of": "logit", "fill": self.fill} | settings
        return Attribution(signed.astype("float32"), {}, manifest)


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number, 1 or more."""
    return isinstance(value, int) and value >= 1


def is_positive(value: Any) -> bool:
    """Return whether a value is a number above 0."""
    return isinstance(value, int | float) and value > 0
