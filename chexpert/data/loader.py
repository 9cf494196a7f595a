"""The order in which training sees the views, and the loader that carries them from its workers."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from chexpert.data.dataset import Batch, ViewDataset
from chexpert.problem import ProblemError


class ViewSampler(Sampler):
    """Keys (epoch, row) in an order that is a function of seed and epoch, or in file order."""

    def __init__(self, length: int, *, shuffle: bool, seed: int = 0, epoch: int = 0) -> None:
        self.length, self.shuffle, self.seed, self.epoch = length, shuffle, seed, epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rows = range(self.length)
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length) if self.shuffle else rows
        return ((self.epoch, int(row)) for row in order)


class Share(NamedTuple):
    """Which part of each batch a process takes, of several that train one model together."""

    rank: int = 0
    world: int = 1


class Start(NamedTuple):
    """Where training goes on: an epoch, and how many of its batches were done before."""

    epoch: int = 0
    batches: int = 0


ALONE, BEGIN = Share(), Start()


class ViewBatches(Sampler):
    """The batches of a process. They are cut before they are shared out, so the steps are the same for any number.

    Args:
        sampler: the order.
        batch_size: views a step, of all processes together.
        share: which part of each batch is this process's.
        start: leave out what was done of this epoch; ``len`` does not change by it.
    """

    def __init__(self, sampler: ViewSampler, batch_size: int, share: Share = ALONE, start: Start = BEGIN) -> None:
        self.sampler, self.batch_size, self.share, self.start = sampler, batch_size, share, start

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        keys = iter(self.sampler)
        done = self.start.batches if self.sampler.epoch == self.start.epoch else 0
        keys = islice(keys, done * self.batch_size, None)
        while batch := list(islice(keys, self.batch_size)):
            yield self._take(batch)

    def _take(self, batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """This process's part. In training it is never empty: the processes wait for each other in every step."""
        mine = batch[self.share.rank :: self.share.world]
        if mine or not self.sampler.shuffle:
            return mine
        epoch, row = batch[0]
        return [(epoch, ~row)]  # a stand-in, masked: nothing is learned from a view twice


class ViewLoader(DataLoader):
    """Batches of a ViewDataset. What a worker found wrong is raised here, as it was said there.

    A worker's exception would otherwise come with the worker's traceback in its text.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        with telling_dead_workers():
            for batch in super().__iter__():
                if isinstance(batch, ProblemError):
                    raise batch
                yield batch


@contextmanager
def telling_dead_workers() -> Iterator[None]:
    """Turns the death of a loader process into one message; it interrupts the main process wherever that is."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, ProblemError) or "DataLoader worker" not in str(error):
            raise
        what = f"a loader process died: {str(error).partition(chr(10))[0]}"
        mend = "is memory short? fewer of them (data.workers=0: none) or smaller batches; then go on with resume=RUN"
        raise ProblemError(what, where="data.workers", mend=mend) from error


def make_loader(
    views: ViewDataset,
    *,
    batch_size: int,
    workers: int,
    shuffle: bool,
    seed: int,
    share: Share = ALONE,
    start: Start = BEGIN,
) -> ViewLoader:
    """Loads views in ``workers`` processes, or in this one if 0; see :class:`ViewBatches`."""
    sampler = ViewSampler(len(views), shuffle=shuffle, seed=seed, epoch=start.epoch)
    return ViewLoader(
        views,
        batch_sampler=ViewBatches(sampler, batch_size, share, start),
        num_workers=workers,
        collate_fn=_as_is,
        worker_init_fn=heed_parent_only,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        # A process that was itself spawned, as several that train together are, would spawn these: seconds each.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        generator=torch.Generator().manual_seed(
            seed
        ),  # or each epoch would draw from the state that dropout draws from
    )


def heed_parent_only(worker: int = 0) -> None:
    """A terminal and a batch system signal every process of a job; only the one that trains says when loading ends."""
    for name in ("SIGINT", "SIGUSR1"):
        if hasattr(signal, name):  # Windows has no SIGUSR1
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process on a SIGTERM of its parent's; one of anybody else's is not for it."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def _as_is(batch: Any) -> Any:
    """ViewDataset hands out whole batches already."""
    return batch
