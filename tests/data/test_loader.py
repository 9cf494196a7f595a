"""The order of the views, and how they come out of a worker."""

import os
import traceback

import numpy as np
import pytest
from PIL import Image

from chexpert.data import Preprocessing, ViewDataset
from chexpert.data.loader import ViewSampler, make_loader
from chexpert.problem import ProblemError


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


@pytest.mark.parametrize("workers", [0, 2])
def test_a_problem_in_a_worker_is_told_as_it_was_said_there(tmp_path, workers):
    files = [tmp_path / f"{n}.png" for n in range(4)]
    for file in files:
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(file)
    files[3].unlink()
    views = ViewDataset(list("abcd"), files, np.zeros((4, 1), "float32"), np.ones((4, 1), bool), Preprocessing(8))
    seen = []

    def load():
        for batch in make_loader(views, batch_size=2, workers=workers, shuffle=False, seed=0):
            seen.append(batch.paths)

    with pytest.raises(ProblemError) as caught:
        load()
    traceback.clear_frames(caught.tb)  # in a cycle with the loader, whose collection would wait 10 s for its workers
    assert seen == [["a", "b"]]
    assert str(caught.value).startswith("this image is missing\n")
    assert os.fspath(files[3]) in str(caught.value)
    assert "Traceback" not in str(caught.value)
