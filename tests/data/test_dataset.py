"""Views as batches."""

import multiprocessing
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.dicom import make_dicom
from PIL import Image

from chexpert.data import Augmentation, Preprocessing, ViewDataset, open_cache
from chexpert.data.gray import NO_CONTRAST
from chexpert.data.shared_strings import Texts
from chexpert.errors import UserError

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


def test_batch_holds_its_rows_in_the_given_order(make_views):
    views = make_views()
    batch = views.read([(0, 5), (0, 2)])
    assert batch.paths == ["view5", "view2"]
    assert batch.targets[:, 0].tolist() == pytest.approx([0.5, 0.2])
    assert batch.mask[:, 0].tolist() == [False, True]
    assert batch.skipped == []


def test_images_are_the_pixels_of_the_files_as_uint8(make_views):
    views = make_views()
    batch = views[0, 3]
    assert (batch.images.dtype, tuple(batch.images.shape)) == (torch.uint8, (1, 1, SIZE, SIZE))
    assert (batch.images[0, 0].numpy() == np.asarray(Image.open(views.files[3]))).all()


def test_same_epoch_and_row_give_the_same_geometry(make_views):
    first, again = (make_views(augmentation=Augmentation())[3, 2].matrices for _ in range(2))
    assert first.dtype == torch.float32
    assert torch.equal(first, again)


@pytest.mark.parametrize(("seed", "epoch", "row"), [(0, 4, 2), (1, 3, 2), (0, 3, 1)])
def test_another_seed_epoch_or_row_changes_the_geometry(make_views, seed, epoch, row):
    first = make_views(augmentation=Augmentation(), seed=0)[3, 2].matrices
    assert not torch.equal(first, make_views(augmentation=Augmentation(), seed=seed)[epoch, row].matrices)


def test_without_augmentation_there_is_no_geometry(make_views):
    assert make_views()[0, 2].matrices is None


def test_images_are_not_augmented_before_the_device(make_views):
    assert torch.equal(make_views(augmentation=Augmentation())[3, 2].images, make_views()[0, 2].images)


def test_view_does_not_depend_on_the_rest_of_the_batch(make_views):
    views = make_views(augmentation=Augmentation())
    alone, batch = views[1, 5], views.read([(1, 0), (1, 5), (1, 2)])
    assert torch.equal(batch.images[1:2], alone.images)
    assert torch.equal(batch.matrices[1:2], alone.matrices)


def test_unreadable_image_is_an_error(make_views, tmp_path):
    views = make_views(broken=[1])
    with pytest.raises(UserError) as caught:
        views.read([(0, 0), (0, 1)])
    assert caught.value.where == str(tmp_path / "1.png")
    returned = views.__getitems__([(0, 1)])  # to a loader, from whose workers an exception arrives changed
    assert isinstance(returned, UserError)
    assert str(returned) == str(caught.value)


def test_skip_omits_and_lists_unreadable_images(make_views):
    batch = make_views(broken=[1], skip=True).read([(0, 0), (0, 1), (0, 2)])
    whole = make_views().read([(0, 0), (0, 2)])
    assert (batch.paths, batch.skipped) == (["view0", "view2"], ["view1"])
    assert torch.equal(batch.images, whole.images)
    assert torch.equal(batch.targets, whole.targets)
    assert torch.equal(batch.mask, whole.mask)


def test_batch_of_unreadable_images_is_empty(make_views):
    batch = make_views(broken=[0, 1], skip=True).read([(0, 0), (0, 1)])
    shapes = [tuple(part.shape) for part in (batch.images, batch.targets, batch.mask)]
    assert shapes == [(0, 1, SIZE, SIZE), (0, 1), (0, 1)]
    assert (batch.paths, batch.skipped) == ([], ["view0", "view1"])


def test_skipping_keeps_the_geometry_with_its_view(make_views):
    views = make_views(broken=[1], skip=True, augmentation=Augmentation())
    matrices = views.read([(0, 0), (0, 1), (0, 2)]).matrices
    assert torch.equal(matrices, torch.cat([views[0, 0].matrices, views[0, 2].matrices]))


def measure_private_memory():
    """Bytes that this process does not share."""
    return 1024 * int(re.search(r"Private_Dirty: +(\d+)", Path("/proc/self/smaps_rollup").read_text())[1])


def read_all(views, pipe):
    before = measure_private_memory()
    for row in range(len(views)):
        views.paths[row], views.files[row]
    pipe.send(measure_private_memory() - before)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux only")
def test_worker_copies_no_memory_by_reading_paths():
    count = 100_000
    paths = [f"CheXpert-v1.0-small/train/patient{n:05d}/study1/view1_frontal.jpg" for n in range(count)]
    targets, mask = np.zeros((count, 1), dtype="float32"), np.ones((count, 1), dtype=bool)
    views = ViewDataset(paths, paths, targets, mask, Preprocessing(SIZE))
    del paths
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=read_all, args=(views, sender))
    process.start()
    copied = receiver.recv()
    process.join()
    assert copied < 2e6  # two lists of str: 12 MB


def test_texts_are_a_sequence_of_str_in_one_array():
    texts = Texts(["a", "patient00001/view1.jpg", Path("größe/\udcff")])
    assert list(texts) == ["a", "patient00001/view1.jpg", "größe/\udcff"]
    assert (len(texts), texts[1:], texts[-3]) == (3, ["patient00001/view1.jpg", "größe/\udcff"], "a")


@pytest.mark.parametrize("cached", [False, True])
def test_views_are_flagged_with_and_without_a_cache(tmp_path, cached):
    files = [tmp_path / name for name in ("a.png", "b.png", "c.dcm", "d.dcm")]
    Image.fromarray(np.full((SIZE, SIZE), 7, np.uint8)).save(files[0])
    Image.fromarray(np.arange(SIZE * SIZE).astype(np.uint8).reshape(SIZE, SIZE)).save(files[1])
    values = np.arange(SIZE * SIZE).astype(np.uint16).reshape(SIZE, SIZE)
    make_dicom(files[2], values, Modality="CT", WindowCenter=-9999, WindowWidth=2, PixelSpacing=[0.2, 0.1])
    make_dicom(files[3], np.full((SIZE, SIZE), 7, np.uint16), Modality="CT")
    cache = open_cache(tmp_path / "cache", "train", files, Preprocessing(SIZE), workers=0) if cached else None
    nothing = np.zeros((4, 1), dtype="float32")
    views = ViewDataset(list("abcd"), files, nothing, nothing.astype(bool), Preprocessing(SIZE), cache=cache)
    several, flat = (Preprocessing(SIZE).read_noted(file)[1] for file in files[2:])
    assert len(several) == 3
    assert flat == (several[0], NO_CONTRAST)  # CT
    for _ in range(2):  # bytes are checked at the first reading only
        batch = views.read([(0, row) for row in range(4)])
        assert batch.flagged == [("a", NO_CONTRAST), ("c", "; ".join(several)), ("d", "; ".join(flat))]
        assert batch.paths == list("abcd")
