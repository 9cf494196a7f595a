"""On which side of its activation a feature map lies."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

ACTIVATIONS = {"relu", "silu", "gelu", "hardswish", "hardtanh", "leaky_relu", "elu", "mish"}
NORMS = {"native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "native_layer_norm", "native_group_norm"}
# what leaves values as they are, or picks among them
CARRIES = {"alias", "as_strided", "clone", "detach", "dropout", "max_pool2d_with_indices", "native_dropout", "permute"}
CARRIES |= {"reshape", "slice", "to_copy", "transpose", "unsafe_view", "view"}


class ActivationWatch(TorchDispatchMode):
    """Sees what made a tensor and what is made of it, operation by operation: no list of networks to keep.

    Hooks would not do: many networks call their activations as functions, and hide them in a normalization layer.

    Attributes:
        side: ``after`` if an activation made the followed map; ``before`` if an activation is the first to read it,
            behind a normalization at most; ``none`` if neither is so.
    """

    def __init__(self) -> None:
        super().__init__()
        self.side = "none"
        self._after: set[int] = set()  # storages that hold what an activation put out
        self._followed: set[int] = set()

    def follow(self, map_: torch.Tensor) -> None:
        """Follow this map from now on."""
        self._followed = {_place(map_)}
        self.side = "after" if _place(map_) in self._after else "none"

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        first = made[0] if isinstance(made, tuple | list) and made else made
        if isinstance(first, torch.Tensor):
            read = _place(args[0]) if args and isinstance(args[0], torch.Tensor) else 0
            self._note(func._schema.name.removeprefix("aten::").strip("_"), read, _place(first))
        return made

    def _note(self, operation: str, read: int, written: int) -> None:
        activates, carries = operation in ACTIVATIONS, operation in CARRIES
        if activates and read in self._followed and self.side == "none":
            self.side = "before"
        # a storage is evaluated anew each time it is written, so freed memory that is used again does no harm
        _keep(self._after, written, activates or (carries and read in self._after))
        _keep(self._followed, written, (carries or operation in NORMS) and read in self._followed)


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _keep(places: set[int], place: int, true: bool) -> None:
    places.add(place) if true else places.discard(place)
