"""How much memory tensors take, and whether it ran out."""

from collections.abc import Callable
from typing import Any
from weakref import finalize

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out, on an accelerator or on the CPU (which, as MPS, has no exception of its own)."""
    told = ("can't allocate memory", "MPS backend out of memory")
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in told)


def peak_bytes(function: Callable[[], Any]) -> int:
    """Most bytes of tensors that were alive at once of those that ``function`` made.

    Counted operation by operation, since the process's own size says little on a CPU: freed memory is kept and used
    again. What a kernel takes for itself is not seen.
    """
    with _Tracker() as tracker:
        function()
    return max(1, tracker.peak)


class _Tracker(TorchDispatchMode):
    """Counts the bytes of storages from the operation that made them until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {storage.data_ptr() for storage in _storages((args, kwargs))}
        made = func(*args, **(kwargs or {}))
        for storage in _storages(made):
            if storage.data_ptr() not in self._known | given:  # else a view, or changed in place
                self._count(storage)
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        self._known.add(place)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        finalize(storage, self._free, place, size)

    def _free(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.alive -= size


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
