"""The order in which training sees the views, and the loader that carries them from its workers."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Sampler

from chexpert.data.dataset import Batch, ViewDataset
from chexpert.data.workers import (
    STALL,
    WatchedLoader,
    begin_worker,
    check_shared_memory,
    check_sockets,
    move_to_shared_memory,
)


class ViewSampler(Sampler):
    """Keys (epoch, row) in an order that is a function of seed and epoch, or in file order."""

    def __init__(self, length: int, *, shuffle: bool, seed: int = 0, epoch: int = 0) -> None:
        self.length, self.shuffle, self.seed, self.epoch = length, shuffle, seed, epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each one."""
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
    """Where training resumes: an epoch, and how many of its batches were done before."""

    epoch: int = 0
    batches: int = 0


SINGLE_PROCESS, BEGIN = Share(), Start()


class ViewBatches(Sampler):
    """The batches of a process. They are cut before they are shared out, so the steps are the same for any number.

    In training, one view that is left over joins the batch before it: BatchNorm learns nothing from a single value.

    Args:
        sampler: the order.
        batch_size: views a step, of all processes together.
        share: which part of each batch is this process's.
        start: leave out what was done of this epoch; ``len`` does not change by it.
    """

    def __init__(
        self, sampler: ViewSampler, batch_size: int, share: Share = SINGLE_PROCESS, start: Start = BEGIN
    ) -> None:
        self.sampler, self.batch_size, self.share, self.start = sampler, batch_size, share, start
        # Attributes, not properties: Lightning's wrapper for prediction has the attributes alone.
        self.joins = sampler.shuffle and joins_last(len(sampler), batch_size)
        """Whether the last view joins the batch before it."""
        self.most = -(-(batch_size + self.joins) // share.world)
        """Views in the largest batch of this process."""

    def __len__(self) -> int:
        return count_batches(len(self.sampler), self.batch_size, training=self.sampler.shuffle)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        keys = iter(self.sampler)
        done = self.start.batches if self.sampler.epoch == self.start.epoch else 0
        keys = islice(keys, done * self.batch_size, None)
        for number in range(done, len(self)):
            last = number == len(self) - 1
            yield self._take(list(islice(keys, self.batch_size + (last and self.joins))))

    def _take(self, batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """This process's part. In training it is never empty: the processes wait for each other in every step."""
        mine = batch[self.share.rank :: self.share.world]
        if mine or not self.sampler.shuffle:
            return mine
        epoch, row = batch[0]
        return [(epoch, ~row)]  # a stand-in, masked: nothing is learned from a view twice


class ViewLoader(WatchedLoader):
    """Batches of a ViewDataset. What a worker found wrong is raised here, as it was said there.

    A worker's exception would otherwise come with the worker's traceback in its text.
    """

    def _begin(self) -> Iterator[Batch]:
        if self._iterator is None:  # later its processes hold what they have read ahead
            batches: ViewBatches = self.batch_sampler  # type: ignore[assignment]
            views: ViewDataset = self.dataset  # type: ignore[assignment]
            check_sockets(self.num_workers)
            check_shared_memory(views.measure(batches.most), self.num_workers, len(batches))
        return super()._begin()


def make_loader(
    views: ViewDataset,
    *,
    batch_size: int,
    workers: int,
    shuffle: bool,
    seed: int,
    share: Share = SINGLE_PROCESS,
    start: Start = BEGIN,
) -> ViewLoader:
    """Load views in ``workers`` processes, or in this one if 0; see :class:`ViewBatches`."""
    sampler = ViewSampler(len(views), shuffle=shuffle, seed=seed, epoch=start.epoch)
    return ViewLoader(
        views,
        batch_sampler=ViewBatches(sampler, batch_size, share, start),
        num_workers=workers,
        timeout=STALL if workers else 0,
        collate_fn=move_to_shared_memory,
        worker_init_fn=begin_worker,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        # A process that was itself spawned, as several that train together are, would spawn these: seconds each.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        generator=torch.Generator().manual_seed(
            seed
        ),  # or each epoch would sample from the state that dropout samples from
    )


def joins_last(views: int, batch_size: int) -> bool:
    """Return whether one view is left over behind whole batches, and there is another batch that it can join.

    >>> joins_last(17, 16), joins_last(18, 16), joins_last(1, 16), joins_last(3, 1)
    (True, False, False, False)
    """
    return views > batch_size > 1 and views % batch_size == 1


def count_batches(views: int, batch_size: int, *, training: bool) -> int:
    """Count the batches of an epoch; the last may be smaller, or in training larger by a view that is left over.

    >>> [count_batches(17, 16, training=training) for training in (True, False)]
    [1, 2]
    """
    return -(-views // batch_size) - (training and joins_last(views, batch_size))


def find_smallest_share(views: int, batch_size: int, world: int, batches: int | None = None) -> int:
    """Return the fewest views that one of ``world`` processes gets in a step of training.

    An epoch has so many ``batches``, by default all of them.

    A process for which none is left takes a stand-in, so there is always one.

    >>> find_smallest_share(18, 16, 1), find_smallest_share(18, 16, 2), find_smallest_share(18, 16, 2, batches=1)
    (2, 1, 8)
    """
    there = count_batches(views, batch_size, training=True)
    batches = there if batches is None else batches
    sizes = [batch_size] * (min(batches, there - 1) > 0) + [views - (there - 1) * batch_size] * (batches >= there)
    return max(1, min(sizes) // world)
