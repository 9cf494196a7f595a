"""The file of pooled features: whole or absent, keyed by what changes them, checked when read."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chexpert.data import Preprocessing, ViewDataset
from chexpert.data.features import Features, FeatureViews, open_features
from chexpert.errors import UserError

WIDTH = 3


@pytest.fixture
def make_views(tmp_path):
    """Views of five images, each of one gray; one may be no image."""

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


def never(images):
    raise AssertionError("computed again")


def write(folder, views, pool=pool, **options):
    return open_features(folder, "train", views, "digest", WIDTH, pool, **options)


def test_features_come_in_the_place_of_films_with_the_views_own_targets(make_views, tmp_path):
    views = make_views()
    features = FeatureViews(views, Features(write(tmp_path / "cache", views, batch_size=2)))
    batch = features.read([(0, 4), (0, 1)])
    assert batch.images.tolist() == [[4, 4.5, -4], [1, 1.5, -1]]
    assert (batch.targets.tolist(), batch.paths) == ([[4], [1]], ["view4", "view1"])


def test_a_part_is_in_an_order_of_its_own(make_views, tmp_path):
    part, out = Features(write(tmp_path / "cache", make_views()), [3, 0]), np.empty(WIDTH, np.float32)
    assert part.read(0, out)
    assert out.tolist() == [3, 3.5, -3]


def test_what_was_computed_is_not_computed_again_unless_anything_differs(make_views, tmp_path):
    folder = tmp_path / "cache"
    first = write(folder, make_views())
    assert write(folder, make_views(), never) == first
    assert write(folder, make_views(size=4)) != first
    assert open_features(folder, "train", make_views(), "other weights", WIDTH, pool) != first
    (tmp_path / "2.png").write_bytes((tmp_path / "3.png").read_bytes())
    assert write(folder, make_views()) != first


@pytest.mark.parametrize("broken", [0, 2, 3])
def test_a_film_that_may_be_skipped_is_skipped_again(make_views, tmp_path, broken):
    views = make_views(broken, skip=True)
    features = FeatureViews(views, Features(write(tmp_path / "cache", views, batch_size=3)))
    batch = features.read([(0, row) for row in range(5)])
    assert batch.skipped == [f"view{broken}"]
    assert batch.images[:, 0].tolist() == [row for row in range(5) if row != broken]
    features.skip = False
    with pytest.raises(UserError, match="cannot be read"):
        features.read([(0, broken)])


def test_a_film_that_cannot_be_read_leaves_no_file(make_views, tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        write(tmp_path / "cache", make_views(broken=4), batch_size=2)
    assert not list((tmp_path / "cache").iterdir())


def test_features_that_are_no_numbers_are_refused(make_views, tmp_path):
    with pytest.raises(UserError, match="NaN or infinity"):
        write(tmp_path / "cache", make_views(), lambda images: pool(images) / images[:, 0, 0, :1])
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(("place", "message"), [(-1, "row 4 is not what was written"), (3, "damaged")])
def test_a_changed_byte_is_noticed(make_views, tmp_path, place, message):
    path = write(tmp_path / "cache", make_views())
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        Features(path).read(4, np.empty(WIDTH, np.float32))


def test_a_short_file_is_noticed(make_views, tmp_path):
    path = write(tmp_path / "cache", make_views())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="damaged"):
        Features(path)


def test_a_folder_that_cannot_be_is_told(make_views, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written(?s:.*)features=null"):
        write(tmp_path / "file", make_views())


def test_what_a_killed_process_left_is_gone_and_what_another_writes_stays(make_views, tmp_path):
    folder, views = tmp_path / "cache", make_views()
    path = write(folder, views)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    owners = {"left": ended.pid, "just written": ended.pid, "of a process that works": os.getpid()}
    files = {name: folder / f"{name}.{platform.node()}.{owner}.partial" for name, owner in owners.items()}
    files["of another machine"] = folder / f"x.elsewhere.{ended.pid}.partial"
    for name, file in files.items():
        file.write_bytes(b"half")
        if name != "just written":
            os.utime(file, (0, 0))
    assert write(folder, views, never) == path
    assert [name for name, file in files.items() if not file.exists()] == ["left"]


def test_a_leftover_that_may_not_be_removed_stops_nobody(make_views, tmp_path, monkeypatch):
    folder, views = tmp_path / "cache", make_views()
    path = write(folder, views)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = folder / f"left.{platform.node()}.{ended.pid}.partial"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))

    def refuse(file, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert write(folder, views, never) == path
    assert left.exists()
