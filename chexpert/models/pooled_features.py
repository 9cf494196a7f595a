"""The pooled features of a batch, taken from the very pass that computes its logits."""

from types import TracebackType
from typing import Any

import torch

from chexpert.errors import UserError
from chexpert.models.backbone import Backbone
from chexpert.models.model import Model
from chexpert.models.pooling import pool_map


class PooledFeatures:
    """Keeps the pooled features of the last batches that a model sees, by forward hooks on its members.

    Features of several members stand side by side, in the order of ``model.members``. A member is pooled as the model
    pools it; with ``pcam``, which has a vector for each observation, by the mean of its map.

    >>> with PooledFeatures(model) as pooled:  # doctest: +SKIP
    ...     logits = model(images)
    ...     features = pooled.take()  # (B, D)

    Args:
        model: on any device; inside ``with`` each of its passes is followed.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.width = sum(member.width for member in model.members.values())
        """Number D of features."""
        self._hooks: list[Any] = []
        self._passes: dict[str, list[torch.Tensor]] = {}

    def __enter__(self) -> "PooledFeatures":
        for name, member in self.model.members.items():
            self._hooks.append(member.register_forward_hook(self._make_hook(name, member)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._passes = [], {}

    def take(self) -> torch.Tensor:
        """Return the features (B, D) float32 of the first pass since the last call, on the CPU, and forget all passes.

        Of test-time augmentation, the first pass is the image as it is.

        Raises:
            UserError: the model was given features instead of images, which pass no member.
        """
        passes, self._passes = self._passes, {}
        if len(passes) < len(self.model.members):
            hint = "give images (B, 1, H, W)"
            raise UserError("no image has passed the model", code="feature-map", where="pooled features", hint=hint)
        return torch.cat([passes[name][0] for name in self.model.members], dim=1)

    def _make_hook(self, name: str, member: Backbone) -> Any:
        def keep(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
            own = self._passes.setdefault(name, [])
            if not own:  # the features of further passes are not needed
                own.append(pool_features(member, output.detach()).float().cpu())

        return keep


def pool_features(member: Backbone, maps: torch.Tensor) -> torch.Tensor:
    """Return the pooled features (B, K) of a member's output, as it pools them; with ``pcam`` the mean of its map."""
    return pool_map(maps, "avg") if member.pooling == "pcam" else member.pool(maps)


@torch.inference_mode()
def pool_batch(model: Model, images: torch.Tensor) -> torch.Tensor:
    """Return the pooled features (B, D) float32 of a batch, on the CPU.

    Args:
        model: on any device.
        images: (B, 1, H, W), uint8 or float in [0, 1], on any device.
    """
    device = next(model.parameters()).device
    parts = [pool_features(member, member(images.to(device))) for member in model.members.values()]
    return torch.cat(parts, dim=1).float().cpu()
