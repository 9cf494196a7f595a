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
from PIL import Image
from torch.utils.data import DataLoader

from chexpert.data import Preprocessing, ViewDataset, workers
from chexpert.data.loader import Share, Start, ViewBatches, ViewSampler, find_smallest_share, make_loader
from chexpert.errors import UserError


def keys(*, shuffle=True, seed=0, epoch=0, length=50):
    sampler = ViewSampler(length, shuffle=shuffle, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_a_shuffled_epoch_is_a_permutation():
    assert sorted(keys(epoch=2)) == [(2, row) for row in range(50)]
    assert keys(epoch=2) != sorted(keys(epoch=2))


def test_the_order_repeats_with_its_seed_and_epoch():
    assert keys(seed=1, epoch=2) == keys(seed=1, epoch=2)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 0)])
def test_another_seed_or_epoch_orders_otherwise(seed, epoch):
    assert [row for _, row in keys()] != [row for _, row in keys(seed=seed, epoch=epoch)]


def test_without_shuffling_rows_keep_their_order():
    assert keys(shuffle=False, epoch=3, length=4) == [(3, 0), (3, 1), (3, 2), (3, 3)]


@pytest.mark.parametrize("count", [0, 2])
def test_a_problem_in_a_worker_is_told_as_it_was_said_there(tmp_path, count):
    files = [tmp_path / f"{n}.png" for n in range(4)]
    for file in files:
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(file)
    files[3].unlink()
    views = ViewDataset(list("abcd"), files, np.zeros((4, 1), "float32"), np.ones((4, 1), bool), Preprocessing(8))
    seen = []

    def load():
        for batch in make_loader(views, batch_size=2, workers=count, shuffle=False, seed=0):
            seen.append(batch.paths)

    with pytest.raises(UserError) as caught:
        load()
    traceback.clear_frames(caught.tb)  # in a cycle with the loader, whose collection would wait 10 s for its workers
    assert seen == [["a", "b"]]
    assert str(caught.value).startswith("this image is missing\n")
    assert os.fspath(files[3]) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def batches(length=10, size=4, *, shuffle=True, **options):
    return list(ViewBatches(ViewSampler(length, shuffle=shuffle), size, **options))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_every_batch_out_and_cover_it(world):
    whole = batches()
    shares = [batches(share=Share(rank, world)) for rank in range(world)]
    for step, batch in enumerate(whole):
        parts = [key for share in shares for key in share[step] if key[1] >= 0]
        assert sorted(parts) == sorted(batch)


def test_a_process_without_a_view_takes_one_that_is_masked():
    # 10 views in batches of 4: the last has 2 for 3 processes.
    last = batches()[-1]
    assert batches(share=Share(2, 3))[-1] == [(0, ~last[0][1])]


def test_in_judging_it_takes_none():
    assert batches(shuffle=False, share=Share(2, 3))[-1] == []


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_an_epoch_goes_on_behind_the_batches_that_were_done(done, world):
    share = Share(0, world)
    resumed = ViewBatches(ViewSampler(10, shuffle=True), 4, share, Start(0, done))
    assert list(resumed) == batches(share=share)[done:]
    assert len(resumed) == 3  # as Lightning counts the whole epoch
    resumed.sampler.set_epoch(1)
    assert len(list(resumed)) == 3


@pytest.mark.parametrize(("length", "sizes"), [(9, [4, 5]), (10, [4, 4, 2]), (5, [5]), (1, [1])])
def test_a_view_that_is_left_over_joins_the_batch_before_it(length, sizes):
    found = batches(length)
    assert [len(batch) for batch in found] == sizes
    assert sorted(row for batch in found for _, row in batch) == list(range(length))
    assert [len(batch) for batch in batches(9, shuffle=False)] == [4, 4, 1]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_the_smallest_share_of_a_step_is_known_beforehand(world):
    for length, size in product(range(1, 12), range(1, 6)):
        shares = [batches(length, size, share=Share(rank, world)) for rank in range(world)]
        steps = [min(len(share[step]) for share in shares) for step in range(len(shares[0]))]
        assert [find_smallest_share(length, size, world, k) for k in range(1, len(steps) + 1)] == [
            min(steps[:k]) for k in range(1, len(steps) + 1)
        ]


@pytest.mark.parametrize("done", [0, 1])
def test_it_joins_also_where_an_epoch_goes_on(done):
    resumed = ViewBatches(ViewSampler(9, shuffle=True), 4, start=Start(0, done))
    assert list(resumed) == batches(9)[done:]
    assert len(resumed) == 2


def make_views(tmp_path, count=8, size=8, kind=ViewDataset):
    files = [tmp_path / f"{n}.png" for n in range(count)]
    for file in files:
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(file)
    ones = np.ones((count, 1))
    return kind(list(map(str, files)), files, ones.astype("float32"), ones.astype(bool), Preprocessing(size))


# Eight images of 64 x 64 px, in batches of 4: each takes four pages and three more for labels, mask and geometry.
@pytest.mark.parametrize(("free", "fits"), [(2 * 7 * 4096, True), (2 * 7 * 4096 - 1, False)])
def test_what_is_read_ahead_must_find_room_in_shared_memory(tmp_path, monkeypatch, free, fits):
    monkeypatch.setattr(workers, "_measure", lambda: (1 << 20, free))
    loader = make_loader(make_views(tmp_path, size=64), batch_size=4, workers=2, shuffle=False, seed=0)
    if fits:
        assert len(list(loader)) == 2
        return
    with pytest.raises(UserError) as caught:
        next(iter(loader))
    for word in ("/dev/shm", "1 MiB", "data.num_workers=0", "--shm-size", "--ipc=host"):
        assert word in str(caught.value)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="such sockets")
def test_a_folder_for_temporary_files_that_lies_too_deep_is_named(tmp_path, monkeypatch):
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setitem(multiprocessing.current_process()._config, "tempdir", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    workers.check_sockets(0)
    with pytest.raises(UserError, match="loader processes cannot open a socket") as caught:
        workers.check_sockets(1)
    assert (caught.value.where, f"TMPDIR to a folder with a shorter path than {deep}," in caught.value.hint) == (
        "data.num_workers",
        True,
    )
    assert not list(deep.iterdir())


def test_memory_that_runs_out_in_a_worker_is_told_here(tmp_path, monkeypatch):
    def refuse(tensor):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    with pytest.raises(UserError, match="/dev/shm") as caught:
        next(iter(make_loader(make_views(tmp_path), batch_size=4, workers=1, shuffle=False, seed=0)))
    traceback.clear_frames(caught.tb)


class Unsendable(ViewDataset):
    def read(self, keys):
        return super().read(keys)._replace(paths=[lambda: 0])


def test_a_batch_that_cannot_be_sent_ends_its_process_and_is_told(tmp_path):
    with pytest.raises(UserError, match="a loader process died"):
        next(iter(make_loader(make_views(tmp_path, kind=Unsendable), batch_size=4, workers=1, shuffle=False, seed=0)))


def test_semaphores_without_room_are_told(tmp_path, monkeypatch):
    def refuse(loader):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(DataLoader, "__iter__", refuse)
    with pytest.raises(UserError, match="/dev/shm"):
        next(iter(make_loader(make_views(tmp_path), batch_size=4, workers=1, shuffle=False, seed=0)))


def test_a_stand_in_is_masked_and_a_view_is_not(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(file)
    views = ViewDataset(["a"], [file], np.ones((1, 1), "float32"), np.ones((1, 1), bool), Preprocessing(8))
    assert views.read([(0, 0)]).mask.all()
    stand_in = views.read([(0, ~0)])
    assert stand_in.paths == ["a"]
    assert not stand_in.mask.any()


def test_a_dead_worker_is_one_message(tmp_path):
    class Dying(ViewDataset):
        def read(self, keys):
            os._exit(1)

    views = Dying(["a"], ["a.png"], np.ones((1, 1), "float32"), np.ones((1, 1), bool), Preprocessing(8))
    with pytest.raises(UserError, match="a loader process died") as caught:
        next(iter(make_loader(views, batch_size=1, workers=1, shuffle=True, seed=0)))
    assert "data.num_workers" in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm is Linux's")
def test_a_worker_that_finds_no_room_in_shared_memory_names_it(tmp_path):
    class Filled(ViewDataset):
        def read(self, keys):
            os.kill(os.getpid(), signal.SIGBUS)
            time.sleep(60)

    views = Filled(["a"], ["a.png"], np.ones((1, 1), "float32"), np.ones((1, 1), bool), Preprocessing(8))
    with pytest.raises(UserError, match="/dev/shm") as caught:
        next(iter(make_loader(views, batch_size=1, workers=1, shuffle=True, seed=0)))
    for word in ("MiB", "data.num_workers=0", "--shm-size", "--ipc=host"):
        assert word in str(caught.value)
    assert caught.value.where == "data.num_workers"
