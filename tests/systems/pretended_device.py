"""A fake device that computes on the CPU, and refuses the operations that Apple's MPS refuses.

``register`` makes "pretended" a device of torch and an accelerator of Lightning, for the rest of the process. It takes
no float64, and no tensor of another device in one operation; a tensor gets to the CPU by an explicit copy only.
"""

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretended"
REFUSED = "the device has no float64"
COPIES = {"aten::_to_copy", "aten::copy_", "aten::_copy_from", "aten::_copy_from_and_resize"}


class OnDevice(torch.Tensor):
    """A tensor on the device; ``data_`` is the real tensor."""

    data_: torch.Tensor

    @staticmethod
    def __new__(cls, real: torch.Tensor, requires_grad: bool = False) -> "OnDevice":
        if real.dtype in (torch.float64, torch.complex128):
            raise TypeError(REFUSED)
        made = torch.Tensor._make_wrapper_subclass(
            cls, real.shape, strides=real.stride(), storage_offset=real.storage_offset(), dtype=real.dtype,
            device=torch.device(NAME, 0), requires_grad=requires_grad,
        )  # fmt: skip
        made.data_ = real
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return work(function, args, kwargs or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle the plain tensor, as after a copy to the CPU."""
        return self.data_.detach().__reduce_ex__(protocol)

    def tolist(self) -> Any:  # type: ignore[override]
        return self.data_.tolist()

    def numpy(self, **_: Any) -> Any:  # type: ignore[override]
        raise TypeError("copy it to the CPU first")

    def resize_(self, *size: int, **_: Any) -> "OnDevice":  # type: ignore[override]
        real = self.data_.resize_(*size)
        self.data = OnDevice(real)
        self.data_ = real
        return self

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.data_.untyped_storage()

    def __getitem__(self, index: Any) -> Any:
        """Torch converts a list of rows to a tensor without the fallback."""
        places = index if isinstance(index, tuple) else (index,)
        return super().__getitem__(
            tuple(torch.tensor(one, device=NAME) if isinstance(one, list) else one for one in places)
        )

    def __repr__(self) -> str:  # type: ignore[override]
        return f"{NAME}: {self.data_!r}"


def work(function: Any, args: Any, kwargs: Any) -> Any:
    """Compute on the real tensors; results are on the device, unless another one was requested."""
    name = function._schema.name
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [isinstance(one, OnDevice) for one in given]
    if any(there) and any(one.ndim for one, its in zip(given, there, strict=True) if not its) and name not in COPIES:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device")
    asked = kwargs.get("device")
    if name == "aten::_local_scalar_dense":
        return function(args[0].data_)
    if asked is not None:
        kwargs = {**kwargs, "device": "cpu"}
    if kwargs.get("pin_memory"):
        kwargs = {**kwargs, "pin_memory": False}
    if kwargs.get("generator") is not None and kwargs["generator"].device.type != "cpu":
        kwargs = {**kwargs, "generator": None}
    off = asked is not None and torch.device(asked).type != NAME
    if not off and kwargs.get("dtype") in (torch.float64, torch.complex128):
        raise TypeError(REFUSED)
    before = {id(one.data_): one for one in given if isinstance(one, OnDevice)}
    result = function(*tree_map(reveal, args), **tree_map(reveal, kwargs))
    if name == "aten::copy_" and not isinstance(args[0], OnDevice):
        return args[0]
    return tree_map(lambda leaf: cover(leaf, before) if not off else leaf, result)


def reveal(leaf: Any) -> Any:
    return leaf.data_ if isinstance(leaf, OnDevice) else leaf


def cover(leaf: Any, before: dict[int, OnDevice]) -> Any:
    """Return the tensor on the device; an operation in place returns the tensor that it was given."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return before[id(leaf)] if id(leaf) in before else OnDevice(leaf)


def register() -> None:
    """Register the device, once in a process."""
    module = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 1,
        current_device=lambda: 0,
        get_amp_supported_dtype=lambda: [torch.bfloat16],
        _is_in_bad_fork=lambda: False,
        manual_seed_all=lambda seed: None,
    )
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=module)
    library = torch.library.Library("_", "IMPL", "PrivateUse1")
    library.fallback(lambda function, *args, **kwargs: work(function, args, kwargs))
    KEPT.append(library)
    torch.inference_mode = as_no_grad  # in which no view can be made of such a tensor
    torch.tensor = through_cpu(torch.tensor)  # torch converts a list without the fallback


def as_no_grad(mode: Any = True) -> Any:
    if callable(mode):
        return torch.no_grad()(mode)
    return torch.no_grad() if mode else nullcontext()


def through_cpu(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Create a tensor on the CPU, and move it."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> torch.Tensor:
        asked = device is not None and torch.device(device).type == NAME
        tensor = make(*args, device="cpu" if asked else device, **kwargs)
        return tensor.to(device) if asked else tensor

    return made


KEPT: list[Any] = []
