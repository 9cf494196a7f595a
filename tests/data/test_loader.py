"""The order of the views, and how they come out of a worker."""

import errno
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from itertools import product

import numpy as np
import pytest
import torch
from helpers.errors import raises
from PIL import Image
from torch.utils.data import DataLoader

from chexpert.data import Preprocessing, ViewDataset, workers
from chexpert.data.loader import Share, Start, ViewBatches, ViewSampler, find_smallest_share, make_loader
from chexpert.errors import UserError


def keys(*, shuffle=True, seed=0, epoch=0, length=50):
    sampler = ViewSampler(length, shuffle=shuffle, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_shuffled_epoch_is_a_permutation():
    assert sorted(keys(epoch=2)) == [(2, row) for row in range(50)]
    assert keys(epoch=2) != sorted(keys(epoch=2))


def test_order_is_a_function_of_seed_and_epoch():
    assert keys(seed=1, epoch=2) == keys(seed=1, epoch=2)
    orders = {tuple(row for _, row in keys(seed=seed, epoch=epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0)]}
    assert len(orders) == 3


def test_unshuffled_rows_keep_their_order():
    assert keys(shuffle=False, epoch=3, length=4) == [(3, 0), (3, 1), (3, 2), (3, 3)]


def make_views(folder, count=8, size=8, kind=ViewDataset):
    """Views of black images, whose names are their paths."""
    files = [folder / f"{n}.png" for n in range(count)]
    for file in files:
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(file)
    ones = np.ones((count, 1))
    return kind(list(map(str, files)), files, ones.astype("float32"), ones.astype(bool), Preprocessing(size))


@pytest.mark.parametrize("workers", [0, 2])
def test_error_of_a_worker_arrives_unchanged(tmp_path, workers):
    views, seen = make_views(tmp_path, count=4), []
    (tmp_path / "3.png").unlink()

    def load():
        for batch in make_loader(views, batch_size=2, workers=workers, shuffle=False, seed=0):
            seen.append(batch.paths)

    with pytest.raises(UserError) as expected:
        views.read([(0, 3)])
    with raises(expected.value.code, tmp_path / "3.png") as caught:
        load()
    traceback.clear_frames(caught.tb)  # in a cycle with the loader, whose collection would wait 10 s for its workers
    assert seen == [list(views.paths[:2])]
    assert str(caught.value) == str(expected.value)


def batches(length=10, size=4, *, shuffle=True, **options):
    return list(ViewBatches(ViewSampler(length, shuffle=shuffle), size, **options))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_of_the_processes_cover_every_batch(world):
    whole = batches()
    shares = [batches(share=Share(rank, world)) for rank in range(world)]
    for step, batch in enumerate(whole):
        parts = [key for share in shares for key in share[step] if key[1] >= 0]
        assert sorted(parts) == sorted(batch)


def test_empty_share_has_a_masked_view_in_training_only():
    # 10 views in batches of 4: the last has 2 for 3 processes.
    last = batches()[-1]
    assert batches(share=Share(2, 3))[-1] == [(0, ~last[0][1])]
    assert batches(shuffle=False, share=Share(2, 3))[-1] == []


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("done", [0, 1, 2, 3])
@pytest.mark.parametrize(("length", "steps"), [(10, 3), (9, 2)])  # of 9 views the last joins the batch before it
def test_resumed_epoch_skips_finished_batches(length, steps, done, world):
    share = Share(0, world)
    resumed = ViewBatches(ViewSampler(length, shuffle=True), 4, share, Start(0, done))
    assert list(resumed) == batches(length, share=share)[done:]
    assert len(resumed) == steps  # as Lightning counts the whole epoch
    resumed.sampler.set_epoch(1)
    assert len(list(resumed)) == steps


@pytest.mark.parametrize(("length", "sizes"), [(9, [4, 5]), (10, [4, 4, 2]), (5, [5]), (1, [1])])
def test_single_leftover_view_joins_the_batch_before(length, sizes):
    found = batches(length)
    assert [len(batch) for batch in found] == sizes
    assert sorted(row for batch in found for _, row in batch) == list(range(length))
    assert [len(batch) for batch in batches(9, shuffle=False)] == [4, 4, 1]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_smallest_share_is_known_in_advance(world):
    for length, size in product(range(1, 12), range(1, 6)):
        shares = [batches(length, size, share=Share(rank, world)) for rank in range(world)]
        steps = [min(len(share[step]) for share in shares) for step in range(len(shares[0]))]
        assert [find_smallest_share(length, size, world, k) for k in range(1, len(steps) + 1)] == [
            min(steps[:k]) for k in range(1, len(steps) + 1)
        ]


# Eight images of 64 x 64 px, in batches of 4: each takes four pages and three more for labels, mask and geometry.
@pytest.mark.parametrize(("free", "fits"), [(2 * 7 * 4096, True), (2 * 7 * 4096 - 1, False)])
def test_shared_memory_must_fit_the_batches_read_ahead(tmp_path, monkeypatch, free, fits):
    monkeypatch.setattr(workers, "_measure", lambda: (1 << 20, free))
    loader = make_loader(make_views(tmp_path, size=64), batch_size=4, workers=2, shuffle=False, seed=0)
    if fits:
        assert len(list(loader)) == 2
        return
    with raises("shared-memory", "data.num_workers") as caught:
        next(iter(loader))
    for fact in ("/dev/shm", "1 MiB"):
        assert fact in caught.value.message
    for setting in ("data.num_workers=0", "--shm-size", "--ipc=host"):
        assert setting in caught.value.hint


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="such sockets")
def test_too_long_socket_path_is_an_error(tmp_path, monkeypatch):
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setitem(multiprocessing.current_process()._config, "tempdir", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    workers.check_sockets(0)
    with raises("socket-path", "data.num_workers") as caught:
        workers.check_sockets(1)
    assert "TMPDIR" in caught.value.hint
    assert str(deep) in caught.value.hint
    assert not list(deep.iterdir())


@pytest.mark.parametrize(
    ("owner", "method", "error"),
    [
        (torch.Tensor, "share_memory_", RuntimeError("torch_1: No space left on device (28)")),  # in a worker
        (DataLoader, "__iter__", OSError(errno.ENOSPC, "No space left on device")),  # of the semaphores
    ],
)
def test_full_shared_memory_is_an_error(tmp_path, monkeypatch, owner, method, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(owner, method, fail)
    with raises("shared-memory", "data.num_workers") as caught:
        next(iter(make_loader(make_views(tmp_path), batch_size=4, workers=1, shuffle=False, seed=0)))
    traceback.clear_frames(caught.tb)


class Unsendable(ViewDataset):
    def read(self, keys):
        return super().read(keys)._replace(paths=[lambda: 0])


class Dying(ViewDataset):
    def read(self, keys):
        os._exit(1)


class Killed(ViewDataset):
    """A worker that the system kills, since shared memory is full."""

    def read(self, keys):
        os.kill(os.getpid(), signal.SIGBUS)
        time.sleep(60)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Unsendable, "dead-process"),
        (Dying, "dead-process"),
        pytest.param(
            Killed, "shared-memory", marks=pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm is Linux's")
        ),
    ],
)
def test_dead_worker_is_an_error(tmp_path, kind, code):
    with raises(code, "data.num_workers"):
        next(iter(make_loader(make_views(tmp_path, kind=kind), batch_size=4, workers=1, shuffle=False, seed=0)))


def test_stand_in_is_masked(tmp_path):
    views = make_views(tmp_path, count=1)
    assert views.read([(0, 0)]).mask.all()
    stand_in = views.read([(0, ~0)])
    assert stand_in.paths == [views.paths[0]]
    assert not stand_in.mask.any()
