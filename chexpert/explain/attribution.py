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

    @property
    def disagreement(self) -> np.ndarray | None:
        """(H, W) standard deviation over the members' raw maps; None for a single model."""
        return np.std(list(self.members.values()), axis=0) if self.members else None


def positive_share(signed: np.ndarray) -> np.ndarray:
    """Divide the positive part by its maximum, to [0, 1]; zeros stay zeros.

    >>> positive_share(np.array([[-1.0, 1.0, 2.0]], dtype="float32"))
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    positive = np.maximum(signed, 0).astype("float32")
    return positive / positive.max() if positive.max() > 0 else positive


class Explainer(Protocol):
    """Explains outputs of a model for a batch of views. ``name`` is its folder in the run."""

    name: str

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Explains views (B, 1, H, W) uint8; ``outputs`` names, for each of them, the logits to explain.

        Returns:
            For each view one attribution an output, in the order asked for.
        """
        ...

    def passes(self, outputs: int) -> int:
        """Return the forward passes that a view with this many outputs costs; a backward pass counts as two."""
        ...


def check_request(model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> None:
    """Check that there is one list of outputs for each view: a shorter list would leave views unexplained.

    Raises:
        ValueError: the request does not fit the images or the model.
    """
    if images.ndim != 4 or images.shape[1] != 1 or images.dtype != torch.uint8:
        raise ValueError(f"views must be (B, 1, H, W) uint8, not {tuple(images.shape)} {images.dtype}")
    if len(outputs) != len(images):
        raise ValueError(f"{len(images)} views, but outputs for {len(outputs)}")
    known = range(model.output_head.outputs)
    if wrong := sorted({output for own in outputs for output in own if output not in known}):
        raise ValueError(f"the model has outputs 0 to {len(known) - 1}, not {wrong}")


@contextmanager
def explaining(model: Model) -> Iterator[None]:
    """Put a model into evaluation mode and allow gradients; restore the mode of each submodule, also after an error.

    Lightning's validation runs in inference mode, in which no gradient can be taken.

    Args:
        model: model, changed in place within the context.

    Yields:
        Nothing.
    """
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode
