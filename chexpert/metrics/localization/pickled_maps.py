"""Maps as CheXlocalize's own code pickles them, read without running anything that a file names.

A file is a dict with ``map`` (a tensor (1, 1, h, w)), ``prob``, ``task`` and ``cxr_dims`` (width and height of the
image), as github.com/rajpurkarlab/cheXlocalize (eval.py, heatmap_to_segmentation.py) reads it.
"""

import io
import math
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

NUMBERS = re.compile(r"[fiu][1248]|b1")
"""Types of the arrays that are read: numbers, nothing that holds objects."""
MAX_BYTES = 512 * 2**20
"""Of a file: 72 MB are a map of 3,000 x 3,000 pixels in float64, and the image may lie beside it in three channels."""


class PickledMap(NamedTuple):
    """What a file says: the map (h, w), the probability, width and height of the image, and the task."""

    map: np.ndarray
    probability: float
    width: int
    height: int
    task: str | None


def read_pickled(path: Path) -> PickledMap:
    """Read a map that CheXlocalize's own code has pickled.

    Raises:
        ValueError: it is damaged, holds anything but plain values, arrays and tensors, is larger than ``MAX_BYTES``,
            or is no such map.
    """
    try:
        _check_sizes(path)
        with path.open("rb") as file:
            content = PlainUnpickler(file).load()
        if not isinstance(content, dict):
            raise ValueError("it holds no dict")
        found, task = np.asarray(content["map"], dtype="float32"), content.get("task")
        width, height = np.asarray(content["cxr_dims"]).astype(int).tolist()
        probability = float(np.asarray(content["prob"]).item())
        return PickledMap(_flatten(found), probability, width, height, task if task is None else str(task))
    except KeyError as error:
        raise ValueError(f"it has no {error}, as CheXlocalize's maps have") from error
    except Exception as error:  # a pickle can fail in any way
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _check_sizes(path: Path) -> None:
    """Refuses a file that is too large, or that gives an object a number beyond the count of its objects.

    pickle allocates memory for all numbers up to the greatest: 7 bytes can ask for gigabytes.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{size:,} bytes, more than {MAX_BYTES:,}")
    count = 0
    with path.open("rb") as file:
        for operation, number, _ in pickletools.genops(file):
            if operation.name == "MEMOIZE" or "PUT" in operation.name:
                count += 1  # writers number from 0 or 1, without gaps
                if number is not None and number > count:
                    raise pickle.UnpicklingError(f"object {number:,} among {count:,}")


def _flatten(found: np.ndarray) -> np.ndarray:
    """(h, w) of (1, 1, h, w)."""
    return found.reshape(found.shape[-2:]) if found.ndim > 2 and set(found.shape[:-2]) == {1} else found


class PlainUnpickler(pickle.Unpickler):
    """Unpickles plain values, numpy's arrays and scalars, and torch's tensors; it refuses whatever else a file names.

    What it calls are functions of this module, made anew for each file, never those that the file names.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._known = make_known()

    def find_class(self, module: str, name: str) -> Any:
        key = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if key not in self._known:
            raise pickle.UnpicklingError(f"it would call {module}.{name}, which no map needs")
        return self._known[key]


def make_known() -> Mapping[str, Any]:
    """Return the replacement of each name that a map may use."""

    class Dtype:
        def __init__(self, spec: str, *_: object) -> None:
            if not NUMBERS.fullmatch(spec):
                raise pickle.UnpicklingError(f"an array of {spec!r}")
            self.dtype = np.dtype(spec)

        def __setstate__(self, state: tuple) -> None:
            if state[1] == ">":
                self.dtype = self.dtype.newbyteorder(">")

    class Array:
        """An array, once its state has come; so the unpickled is resolved by ``__array__``."""

        def __init__(self, *_: object) -> None:
            self.values = np.zeros(0)

        def __setstate__(self, state: tuple) -> None:
            _, shape, kind, fortran, content = state
            self.values = np.frombuffer(content, kind.dtype).reshape(shape, order="F" if fortran else "C")

        def __array__(self, dtype: Any = None, copy: object = None) -> np.ndarray:
            return self.values.astype(dtype or self.values.dtype)

    def frombuffer(content: bytes, kind: Dtype, shape: tuple, order: str) -> np.ndarray:
        return np.frombuffer(content, kind.dtype).reshape(shape, order="F" if order == "F" else "C").copy()

    known: dict[str, type | Callable] = {
        "_codecs.encode": lambda text, *_: text.encode("latin1"),  # bytes, in the older protocols
        "collections.OrderedDict": OrderedDict,
        "numpy.ndarray": Array,
        "numpy.dtype": Dtype,
        "numpy.core.multiarray._reconstruct": lambda *_: Array(),
        "numpy.core.multiarray.scalar": lambda kind, content: np.frombuffer(content, kind.dtype)[0].item(),
        "numpy.core.numeric._frombuffer": frombuffer,
        "torch.storage._load_from_bytes": lambda content: _load_storage(content),
        "torch._utils._rebuild_tensor_v2": lambda storage, offset, size, stride, *_: _view(
            storage, offset, size, stride
        ),
    }
    return known


def _load_storage(content: bytes) -> np.ndarray:
    """The numbers that a tensor looks at, by torch's safe loading: torch's own function would load anything."""
    import torch  # who reads no such file needs none

    storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(storage, torch.storage.TypedStorage):
        raise pickle.UnpicklingError("a tensor without its numbers")
    kind = storage.dtype
    numbers = torch.empty(0, dtype=kind).set_(storage._untyped_storage)
    return (numbers if kind.is_floating_point or kind == torch.bool else numbers.double()).float().numpy()


def _view(numbers: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    """A copy of what a tensor shows of its numbers (N,), all of which must be there."""
    if not isinstance(numbers, np.ndarray) or numbers.ndim != 1:
        raise pickle.UnpicklingError("a tensor without its numbers")
    if len(size) != len(stride) or min(offset, *size, *stride, 0) < 0:
        raise pickle.UnpicklingError("a tensor of no sense")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count > numbers.size or (count and last >= numbers.size):
        raise pickle.UnpicklingError("a tensor larger than its numbers")
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps).copy()
