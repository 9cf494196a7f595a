"""The logits of many changed versions of one image, in bounded memory."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from weakref import finalize

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from chexpert.console import log, show_progress
from chexpert.errors import UserError
from chexpert.explain.attribution import explaining
from chexpert.models import Model

Write = Callable[[int, torch.Tensor], None]
"""Fills a buffer (n, 1, H, W) with the images ``start`` .. ``start + n - 1``."""

Result = TypeVar("Result")

MOST = {"cpu": 16}  # images a forward pass: on a CPU larger batches leave the cache, and are slower
MOST_ELSEWHERE = 256
MANY = 200
FEW = 50  # forward passes that are not worth an estimate


class Probe:
    """Runs a model over images that are written into one reused buffer.

    The number of images a forward pass follows from what one image was seen to need, and is halved where memory runs
    out all the same. It changes nothing but speed and memory; neither grows with the number of images.

    Args:
        memory: MiB that a forward pass may take for its activations; by default see :func:`find_memory`.
        batch_size: images a forward pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
        title: of the progress bar, which is shown for ``MANY`` images or more.
        precision: ``bf16`` for bfloat16; None for that of the weights.
    """

    def __init__(
        self,
        memory: float | None = None,
        batch_size: int | None = None,
        title: str = "probing",
        precision: str | None = None,
    ) -> None:
        self.memory, self.batch_size, self.title, self.precision = memory, batch_size, title, precision

    def __call__(
        self,
        model: Model,
        count: int,
        write: Write,
        like: torch.Tensor,
        enough: Callable[[torch.Tensor], bool] | None = None,
    ) -> torch.Tensor:
        """Logits (count, C) float32 on the CPU of ``count`` images, each of the shape and type of ``like`` (1, H, W).

        ``enough`` is given the logits so far after each pass; where it returns True, these are returned.

        Raises:
            UserError: memory does not suffice for a single image.
        """
        logits: list[torch.Tensor] = []
        with explaining(model), torch.inference_mode():
            size = min(count, self.batch_size or self.fit(like, lambda: model(like[None])))
            buffer = torch.empty(size, *like.shape, dtype=like.dtype, device=like.device)

            def run(start: int, number: int) -> torch.Tensor:
                write(start, buffer[:number])
                with torch.autocast(like.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                    return model(buffer[:number]).float().cpu()

            for chunk in self.chunks(count, size, run):
                logits.append(chunk)
                if enough is not None and enough(torch.cat(logits)):
                    break
            return torch.cat(logits)

    def fit(self, like: torch.Tensor, once: Callable[[], object]) -> int:
        """Return how many images like ``like`` fit into the memory; ``once`` does the work for one image."""
        most = MOST.get(like.device.type, MOST_ELSEWHERE)
        memory = find_memory(like.device) if self.memory is None else self.memory
        return max(1, min(most, int(memory * 2**20 / peak_bytes(once))))

    def chunks(self, count: int, size: int, run: Callable[[int, int], Result]) -> Iterator[Result]:
        """Yield the results of ``run(start, count)`` for one chunk after another, ``count`` images in all."""
        results = self._halving(count, size, run)
        return show_progress(results, self.title, count, each=size) if count >= MANY else results

    def _halving(self, count: int, size: int, run: Callable[[int, int], Result]) -> Iterator[Result]:
        done = 0
        while done < count:
            number = min(size, count - done)
            try:
                result = run(done, number)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if number == 1:
                    hint = "a smaller data.image_size, a smaller model, or another device"
                    raise UserError(
                        "no memory for one image", code="out-of-memory", where=self.title, hint=hint
                    ) from error
                size = number // 2
                log.info(f"{self.title}: out of memory, continuing with {size} images a pass")
                continue
            done += number
            yield result


def find_memory(device: torch.device) -> float:
    """Return MiB for the activations of a forward pass: half of the free memory of a CUDA device, elsewhere 256."""
    return torch.cuda.mem_get_info(device)[0] / 2**21 if device.type == "cuda" else 256.0


def estimate_seconds(model: Model, like: torch.Tensor, passes: int) -> float:
    """Estimate the seconds of this many forward passes from the time of a full chunk; 0 for a few passes.

    Args:
        model: as it will be used, on its device.
        like: (1, H, W) uint8, an image of the size that will be used.
        passes: forward passes of one image, summed over views.
    """
    if passes < FEW:
        return 0.0
    with explaining(model), torch.inference_mode():
        size = min(passes, Probe().fit(like, lambda: model(like[None])))
        while True:
            images = like.expand(size, *like.shape)
            try:
                model(images).cpu()
                started = time.perf_counter()
                model(images).cpu()  # the copy waits for an accelerator
            except RuntimeError as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
                size //= 2
            else:
                return (time.perf_counter() - started) / size * passes


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether memory ran out, on an accelerator or on the CPU (which, as MPS, has no exception of its own)."""
    messages = ("can't allocate memory", "MPS backend out of memory")
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in messages)


def peak_bytes(function: Callable[[], Any]) -> int:
    """Return the largest number of bytes of tensors of ``function`` that were alive at once.

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
