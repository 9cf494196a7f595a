"""The file of pooled features: whole or absent, keyed by what changes them, checked when read."""

import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.errors import raises
from PIL import Image

from chexpert.data import Preprocessing, ViewDataset
from chexpert.data.features import Encoder, Features, FeatureViews, open_features
from chexpert.data.partial_files import locked
from chexpert.errors import UserError

WIDTH = 3


@pytest.fixture
def make_views(tmp_path):
    """Views of five images, each of one gray; one may be unreadable."""

    def make(broken=None, skip=False, size=8):
        files = [tmp_path / f"{row}.png" for row in range(5)]
        for row, file in enumerate(files):
            if not file.exists():
                Image.fromarray(np.full((8, 8), row, np.uint8)).save(file)
            if row == broken:
                file.write_text("no image")
        targets = np.arange(5, dtype="float32")[:, None]
        return ViewDataset(
            [f"view{row}" for row in range(5)], files, targets, targets >= 0, Preprocessing(size), skip=skip
        )

    return make


def pool(images):
    """Three features of the gray of an image."""
    gray = images[:, 0, 0, 0].float()
    return torch.stack([gray, gray + 0.5, -gray], dim=1)


def fail(images):
    raise AssertionError("computed again")


def double(images):
    """Two features: twice the gray, and one."""
    gray = images[:, 0, 0, 0].float()
    return torch.stack([2 * gray, torch.ones_like(gray)], dim=1)


def write(folder, views, pool=pool, digest="digest", **options):
    (path,) = open_features(folder, "train", views, [Encoder(digest, WIDTH, pool)], **options)
    return path


def test_features_replace_images_and_keep_the_targets(make_views, tmp_path):
    views = make_views()
    features = FeatureViews(views, Features([write(tmp_path / "cache", views, batch_size=2)]))
    batch = features.read([(0, 4), (0, 1)])
    assert batch.images.tolist() == [[4, 4.5, -4], [1, 1.5, -1]]
    assert (batch.targets.tolist(), batch.paths) == ([[4], [1]], ["view4", "view1"])


def test_rows_of_a_part_have_their_own_order(make_views, tmp_path):
    part = Features([write(tmp_path / "cache", make_views())], [3, 0])
    assert part.read([0, 1, 0]).tolist() == [[3, 3.5, -3], [0, 0.5, 0], [3, 3.5, -3]]


def test_features_are_computed_again_only_after_a_change(make_views, tmp_path):
    folder = tmp_path / "cache"
    first = write(folder, make_views())
    assert write(folder, make_views(), fail) == first
    assert write(folder, make_views(size=4)) != first
    assert write(folder, make_views(), digest="other weights") != first
    (tmp_path / "2.png").write_bytes((tmp_path / "3.png").read_bytes())
    assert write(folder, make_views()) != first


@pytest.mark.parametrize("broken", [0, 2, 3])
def test_skipped_image_is_skipped_in_the_features(make_views, tmp_path, broken):
    views = make_views(broken, skip=True)
    features = FeatureViews(views, Features([write(tmp_path / "cache", views, batch_size=3)]))
    batch = features.read([(0, row) for row in range(5)])
    assert batch.skipped == [f"view{broken}"]
    assert batch.images[:, 0].tolist() == [row for row in range(5) if row != broken]
    features.skip = False
    with pytest.raises(UserError) as caught:
        features.read([(0, broken)])
    assert caught.value.where == str(tmp_path / f"{broken}.png")


def test_unreadable_image_leaves_no_file(make_views, tmp_path):
    with pytest.raises(UserError) as caught:
        write(tmp_path / "cache", make_views(broken=4), batch_size=2)
    assert caught.value.where == str(tmp_path / "4.png")
    assert not list((tmp_path / "cache").iterdir())


def test_nan_and_infinity_are_errors(make_views, tmp_path):
    with raises("nan", "view0, view1, view2, view3, view4"):
        write(tmp_path / "cache", make_views(), lambda images: pool(images) / images[:, 0, 0, :1])
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(("place", "row"), [(-1, "4"), (3, "")])
def test_changed_byte_is_an_error(make_views, tmp_path, place, row):
    path = write(tmp_path / "cache", make_views())
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with raises("damaged-cache", path) as caught:
        Features([path]).read([0, 4])
    assert row in caught.value.message


def test_short_file_is_an_error(make_views, tmp_path):
    path = write(tmp_path / "cache", make_views())
    path.write_bytes(path.read_bytes()[:-4])
    with raises("damaged-cache", path):
        Features([path])


def test_unwritable_folder_is_an_error(make_views, tmp_path):
    (tmp_path / "file").touch()
    with raises("write-failed", tmp_path / "file") as caught:
        write(tmp_path / "file", make_views())
    assert "features=FOLDER" in caught.value.hint


def test_only_the_added_encoder_is_computed(make_views, tmp_path):
    folder, views = tmp_path / "cache", make_views()
    first = write(folder, views)
    encoders = [Encoder("added", 2, double), Encoder("digest", WIDTH, fail)]
    paths = open_features(folder, "train", views, encoders, batch_size=2)
    assert paths[1] == first
    assert sorted(folder.iterdir()) == sorted(paths)
    assert Features(paths).read([4, 1]).tolist() == [[8, 1, 4, 4.5, -4], [2, 1, 1, 1.5, -1]]


def test_equal_encoders_share_a_file(make_views, tmp_path):
    paths = open_features(tmp_path / "cache", "train", make_views(), [Encoder("digest", WIDTH, pool)] * 2)
    assert paths[0] == paths[1]
    assert Features(paths).read([2]).tolist() == [[2, 2.5, -2, 2, 2.5, -2]]


def test_missing_encoders_are_computed_in_one_pass_over_the_images(make_views, tmp_path, monkeypatch):
    looked, views, read = [], make_views(), ViewDataset.read
    monkeypatch.setattr(ViewDataset, "read", lambda self, keys: looked.extend(keys) or read(self, keys))
    open_features(tmp_path, "train", views, [Encoder("a", WIDTH, pool), Encoder("b", 2, double)], batch_size=2)
    assert [row for _, row in looked] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("chunk", [2, 8192])
def test_statistics_are_of_the_readable_images_of_the_part(make_views, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("chexpert.data.features.CHUNK", chunk)
    path = write(tmp_path / "cache", make_views(2, skip=True))
    mean, deviation = Features([path], [0, 1, 2, 4]).measure()  # grays 0, 1 and 4
    assert mean == pytest.approx([5 / 3, 5 / 3 + 0.5, -5 / 3])
    assert deviation == pytest.approx([(26 / 9) ** 0.5] * 3)


def test_other_process_that_computes_the_same_is_waited_for(make_views, tmp_path):
    folder, views, read = tmp_path / "cache", make_views(), []
    path = write(folder, views)
    content = path.read_bytes()
    path.unlink()
    other = threading.Thread(target=lambda: read.append(write(folder, views, fail)))
    with locked(path, "computes these features"):
        other.start()
        time.sleep(0.3)
        assert read == []
        path.write_bytes(content)
    other.join()
    assert read == [path]
    assert list(folder.iterdir()) == [path]


def make_leftover(folder):
    """The old partial file of a process of this machine that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = folder / f"left.{platform.node()}.{ended.pid}.partial"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    return left


def test_only_leftovers_of_killed_processes_are_removed(make_views, tmp_path):
    folder, views = tmp_path / "cache", make_views()
    path = write(folder, views)
    left = make_leftover(folder)
    new, alive = left.with_stem("new" + left.stem[4:]), folder / f"alive.{platform.node()}.{os.getpid()}.partial"
    elsewhere = folder / left.name.replace(platform.node(), "elsewhere")
    for file in (new, alive, elsewhere):
        file.write_bytes(b"half")
    for file in (alive, elsewhere):
        os.utime(file, (0, 0))
    assert write(folder, views, fail) == path
    assert set(folder.iterdir()) == {path, new, alive, elsewhere}
    assert not left.exists()


def test_leftover_that_cannot_be_removed_is_not_an_error(make_views, tmp_path, monkeypatch):
    folder, views = tmp_path / "cache", make_views()
    path, left = write(folder, views), make_leftover(folder)

    def forbid(file, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", forbid)
    assert write(folder, views, fail) == path
    assert left.exists()
