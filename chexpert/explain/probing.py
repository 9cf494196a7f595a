"""The logits of many changed versions of one film, in bounded memory."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from weakref import finalize

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from chexpert.data.parallel import watch
from chexpert.explain.attribution import explaining
from chexpert.models import Model
from chexpert.problem import ProblemError

Write = Callable[[int, torch.Tensor], None]
"""Fills a buffer (n, 1, H, W) with the films ``start`` .. ``start + n - 1``."""

MOST = {"cpu": 16}  # films a forward pass: on a CPU larger batches leave the cache, and are slower
MOST_ELSEWHERE = 256
MANY = 200


class Probe:
    """Runs a model over films that are written into one reused buffer.

    The number of films a forward pass follows from what one film was seen to need, and is halved where memory runs
    out all the same. It changes nothing but speed and memory; neither grows with the number of films.

    Args:
        memory: MiB that a forward pass may take for its activations.
        batch_size: films a forward pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
        title: of the progress bar, which is shown for ``MANY`` films or more.
    """

    def __init__(self, memory: float = 512, batch_size: int | None = None, title: str = "probing") -> None:
        self.memory, self.batch_size, self.title = memory, batch_size, title

    def __call__(self, model: Model, count: int, write: Write, like: torch.Tensor) -> torch.Tensor:
        """Logits (count, C) float32 on the CPU of ``count`` films, each of the shape and type of ``like`` (1, H, W).

        Raises:
            ProblemError: memory does not suffice for a single film.
        """
        with explaining(model), torch.inference_mode():
            size = min(count, self.batch_size or self._fit(model, like))
            buffer = torch.empty(size, *like.shape, dtype=like.dtype, device=like.device)
            chunks = self._run(model, count, write, buffer)
            return torch.cat(list(watch(chunks, self.title, count, each=size) if count >= MANY else chunks))

    def _fit(self, model: Model, like: torch.Tensor) -> int:
        need = peak_bytes(lambda: model(like[None]))
        most = MOST.get(like.device.type, MOST_ELSEWHERE)
        return max(1, min(most, int(self.memory * 2**20 / need)))

    def _run(self, model: Model, count: int, write: Write, buffer: torch.Tensor) -> Iterator[torch.Tensor]:
        done, size = 0, len(buffer)
        while done < count:
            films = buffer[: min(size, count - done)]
            write(done, films)
            try:
                logits = model(films).float().cpu()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    mend = "a smaller data.size, a smaller model, or another device"
                    raise ProblemError("no memory for one film", where=self.title, mend=mend) from error
                size //= 2
                print(f"{self.title}: out of memory, going on with {size} films a pass", file=sys.stderr)
                continue
            done += len(films)
            yield logits


def estimate_seconds(model: Model, like: torch.Tensor, passes: int) -> float:
    """Seconds that so many forward passes of a film like this one (1, H, W) take, by one that is timed."""
    with explaining(model), torch.inference_mode():
        for _ in range(2):  # the first one warms up
            started = time.perf_counter()
            model(like[None]).cpu()  # waits for an accelerator
    return (time.perf_counter() - started) * passes


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out, on an accelerator or on the CPU (which has no exception of its own)."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


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
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known:
            return  # a view, or changed in place
        self._known.add(place)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        finalize(storage, self._free, place, size)

    def _free(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.alive -= size
