"""Views as batches, and their order."""

import numpy as np
import pytest
import torch
from PIL import Image

from chexpert.data import Augmentation, Preprocessing, ViewDataset
from chexpert.data.dataset import ViewSampler
from chexpert.problem import ProblemError

SIZE = 16


@pytest.fixture
def make_views(tmp_path):
    """Six views of noise, named view0 to view5, with target n / 10 in row n."""

    def make(*, count=6, broken=(), augmentation=None, seed=0, skip=False):
        rng = np.random.default_rng(0)
        files = [tmp_path / f"{n}.png" for n in range(count)]
        for n, file in enumerate(files):
            Image.fromarray(rng.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)).save(file)
            if n in broken:
                file.write_bytes(file.read_bytes()[:60])
        targets = np.arange(count, dtype="float32")[:, None] / 10
        mask = np.arange(count)[:, None] % 2 == 0
        paths = [f"view{n}" for n in range(count)]
        return ViewDataset(paths, files, targets, mask, Preprocessing(SIZE), augmentation, seed, skip)

    return make


def test_a_batch_holds_its_rows_in_the_order_asked_for(make_views):
    views = make_views()
    batch = views.__getitems__([(0, 5), (0, 2)])
    assert batch.paths == ["view5", "view2"]
    assert batch.targets[:, 0].tolist() == pytest.approx([0.5, 0.2])
    assert batch.mask[:, 0].tolist() == [False, True]
    assert batch.skipped == []


def test_images_are_the_files_pixels_as_uint8(make_views):
    views = make_views()
    batch = views[0, 3]
    assert (batch.images.dtype, tuple(batch.images.shape)) == (torch.uint8, (1, 1, SIZE, SIZE))
    assert (batch.images[0, 0].numpy() == np.asarray(Image.open(views.files[3]))).all()


def test_the_same_epoch_and_row_give_the_same_pixels(make_views):
    first, again = (make_views(augmentation=Augmentation())[3, 2].images for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 4), (1, 3)])
def test_another_epoch_or_seed_augments_otherwise(make_views, seed, epoch):
    first = make_views(augmentation=Augmentation(), seed=0)[3, 2].images
    assert not torch.equal(first, make_views(augmentation=Augmentation(), seed=seed)[epoch, 2].images)


def test_each_row_is_augmented_otherwise(make_views):
    views = make_views(augmentation=Augmentation())
    views.files = [views.files[0]] * len(views)
    batch = views.__getitems__([(0, 0), (0, 1)])
    assert not torch.equal(batch.images[0], batch.images[1])


def test_without_augmentation_epochs_do_not_differ(make_views):
    views = make_views()
    assert torch.equal(views[0, 2].images, views[7, 2].images)


def test_pixels_do_not_depend_on_the_rest_of_the_batch(make_views):
    views = make_views(augmentation=Augmentation())
    alone = views[1, 5].images
    assert torch.equal(views.__getitems__([(1, 0), (1, 5), (1, 2)]).images[1:2], alone)


def test_an_unreadable_image_stops_with_its_path(make_views):
    with pytest.raises(ProblemError, match=r"1\.png"):
        make_views(broken=[1]).__getitems__([(0, 0), (0, 1)])


def test_skip_leaves_the_unreadable_out_and_names_it(make_views):
    batch = make_views(broken=[1], skip=True).__getitems__([(0, 0), (0, 1), (0, 2)])
    whole = make_views().__getitems__([(0, 0), (0, 2)])
    assert (batch.paths, batch.skipped) == (["view0", "view2"], ["view1"])
    assert torch.equal(batch.images, whole.images)
    assert torch.equal(batch.targets, whole.targets)
    assert torch.equal(batch.mask, whole.mask)


def test_a_batch_of_unreadable_images_is_empty(make_views):
    batch = make_views(broken=[0, 1], skip=True).__getitems__([(0, 0), (0, 1)])
    shapes = [tuple(part.shape) for part in (batch.images, batch.targets, batch.mask)]
    assert shapes == [(0, 1, SIZE, SIZE), (0, 1), (0, 1)]
    assert (batch.paths, batch.skipped) == ([], ["view0", "view1"])


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
