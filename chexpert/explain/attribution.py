"""What an explainer gives back, and the protocol that every explainer follows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from chexpert.models import Model


@dataclass(frozen=True)
class Attribution:
    """Which regions spoke for one observation of one view.

    Attributes:
        signed: (H, W) float32 in the model's input coordinates, raw: its scale is the explainer's own, negative
            values speak against the observation.
        members: the same for each member of a combined model, before they were summed; empty for a single one.
        manifest: explainer, layer and settings, in plain containers.
    """

    signed: np.ndarray
    members: dict[str, np.ndarray] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def map(self) -> np.ndarray:
        """The attribution map: (H, W) float32 in [0, 1], positive evidence over its maximum.

        All zero where nothing speaks for the observation; it is not stretched to look like something.
        """
        return positive_share(self.signed)

    @property
    def has_evidence(self) -> bool:
        """False where no pixel speaks for the observation."""
        return bool(self.signed.max() > 0)


def positive_share(signed: np.ndarray) -> np.ndarray:
    """Positive part over its maximum, in [0, 1]; zeros stay zeros.

    >>> positive_share(np.array([[-1.0, 1.0, 2.0]], dtype="float32"))
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    positive = np.maximum(signed, 0).astype("float32")
    return positive / positive.max() if positive.max() > 0 else positive


class Explainer(Protocol):
    """Explains the outputs of a model, one attribution an output. ``name`` is its folder in the run."""

    name: str

    def __call__(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Explains the given outputs (indices of observations) for an image (1, H, W) uint8."""
        ...


@contextmanager
def explaining(model: Model) -> Iterator[None]:
    """Evaluation mode with gradients allowed; modes of all submodules are restored, also after an error.

    Lightning's validation runs in inference mode, in which no gradient can be taken.
    """
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode
