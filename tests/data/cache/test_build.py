"""The build of the cache: once, safely, and again when anything has changed."""

import errno
import multiprocessing
import os
import re
import shutil
import time
from collections import Counter, namedtuple
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises
from PIL import Image

from chexpert.data import CheXpertDataModule, LabelPolicy, Preprocessing, open_cache
from chexpert.data.cache import build
from chexpert.data.cache.partial import PartialCache
from chexpert.errors import UserError

SIZE, COUNT = 8, 40  # three chunks


@pytest.fixture
def images(tmp_path):
    """Forty images of noise."""
    rng, images = np.random.default_rng(0), [tmp_path / "images" / f"{n}.png" for n in range(COUNT)]
    images[0].parent.mkdir()
    for file in images:
        Image.fromarray(rng.integers(0, 256, (12, 10), dtype=np.uint8)).save(file)
    return images


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


class Counted(Preprocessing):
    """Counts the reads of each file; stops at one of them, or waits at each, on request."""

    read_files = Counter()
    stop_at, delay = None, 0.0

    def read_noted(self, path, sha256=""):
        if Path(path).name == self.stop_at:
            raise KeyboardInterrupt
        time.sleep(self.delay)
        self.read_files[Path(path).name] += 1
        return super().read_noted(path, sha256)


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(Counted, "read_files", Counter())
    return Counted(SIZE)


def names(folder, kind="films"):
    return sorted(file.name for file in folder.glob(f"*.{kind}"))


def read_numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def read_reason(printed, old):
    """Return the line that names a superseded cache, without its path."""
    (line,) = (line for line in printed.splitlines() if str(old) in line)
    return line.replace(str(old), "")


def is_right(cache, images):
    out = np.empty((SIZE, SIZE), dtype=np.uint8)
    return all(
        cache.read(row, out) and (out == Preprocessing(SIZE).read(image)).all() for row, image in enumerate(images)
    )


def test_second_opening_decodes_nothing(folder, images, counted):
    for _ in range(2):
        assert is_right(open_cache(folder, "train", images, counted), images)
    assert set(counted.read_files.values()) == {1}
    assert len(counted.read_files) == COUNT


def test_number_of_processes_does_not_change_the_file(folder, images):
    one, two = (open_cache(folder / str(n), "train", images * 4, Preprocessing(SIZE), workers=n) for n in (1, 2))
    assert one.path.read_bytes() == two.path.read_bytes()


def test_changed_image_rebuilds_the_cache_once(folder, images, capsys):
    old = open_cache(folder, "train", images, Preprocessing(SIZE)).path
    Image.fromarray(np.full((12, 10), 7, dtype=np.uint8)).save(images[3])
    capsys.readouterr()
    assert is_right(open_cache(folder, "train", images, Preprocessing(SIZE)), images)
    reason = read_reason(capsys.readouterr().err, old)
    assert "image" in reason
    assert read_numbers(reason) == []
    open_cache(folder, "train", images, Preprocessing(SIZE))
    assert capsys.readouterr().err == ""


def test_added_image_rebuilds_the_cache(folder, images, capsys):
    old = open_cache(folder, "train", images[:-1], Preprocessing(SIZE)).path
    capsys.readouterr()
    assert is_right(open_cache(folder, "train", images, Preprocessing(SIZE)), images)
    assert read_numbers(read_reason(capsys.readouterr().err, old)) == [40, 39]


def test_other_decoder_version_rebuilds_the_cache(folder, images, capsys, monkeypatch):
    old = open_cache(folder, "train", images, Preprocessing(SIZE)).path
    capsys.readouterr()
    monkeypatch.setattr("PIL.__version__", "0.1")
    open_cache(folder, "train", images, Preprocessing(SIZE))
    assert "Pillow 0.1" in read_reason(capsys.readouterr().err, old)
    assert len(names(folder)) == 2


def test_caches_of_other_images_are_not_superseded(folder, images, tmp_path, capsys):
    paths = [open_cache(folder, "train", images, Preprocessing(SIZE)).path]
    other = tmp_path / "other" / "0.png"
    other.parent.mkdir()
    shutil.copy(images[1], other)
    for split, files, size in (("train", [other], SIZE), ("valid", images[1:], SIZE), ("train", images, 9)):
        capsys.readouterr()
        new = open_cache(folder, split, files, Preprocessing(size)).path
        printed = capsys.readouterr().err
        assert new.name in printed
        assert not [path for path in paths if path.name in printed]
        paths.append(new)


@pytest.mark.parametrize("at", [0, 15, 16, 37, 39])
def test_interrupted_build_is_resumed(folder, images, counted, monkeypatch, at):
    monkeypatch.setattr(Counted, "stop_at", f"{at}.png")
    with pytest.raises(KeyboardInterrupt):
        open_cache(folder, "train", images, counted)
    assert names(folder) == []
    monkeypatch.setattr(Counted, "stop_at", None)
    assert is_right(open_cache(folder, "train", images, counted), images)
    assert names(folder, "partial") == []
    again = [name for name, times in counted.read_files.items() if times == 2]
    assert len(again) == at % build.CHUNK  # those of the chunk that was not written


@pytest.mark.parametrize("step", ["seal", "publish"])
def test_build_interrupted_at_its_end_decodes_nothing_again(folder, images, counted, monkeypatch, step):
    with monkeypatch.context() as patch:
        patch.setattr(PartialCache, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            open_cache(folder, "train", images, counted)
    assert names(folder) == []
    assert is_right(open_cache(folder, "train", images, counted), images)
    assert set(counted.read_files.values()) == {1}


def test_rows_lost_before_they_reach_the_disk_are_decoded_again(folder, images, counted, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(PartialCache, "seal", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            open_cache(folder, "train", images, counted)
    (partial,) = folder.glob("*.partial")
    content = bytearray(partial.read_bytes())
    content[4096 + 5 * SIZE * SIZE : 4096 + 7 * SIZE * SIZE] = bytes(2 * SIZE * SIZE)
    partial.write_bytes(content)
    assert is_right(open_cache(folder, "train", images, counted), images)
    assert sorted(name for name, times in counted.read_files.items() if times == 2) == ["5.png", "6.png"]


def start_build(monkeypatch, folder, images, delay):
    monkeypatch.setattr(Counted, "delay", delay)
    process = multiprocessing.get_context("fork").Process(
        target=open_cache, args=(folder, "train", images, Counted(SIZE)), kwargs={"workers": 1}
    )
    process.start()
    return process


def wait_for_a_chunk(folder):
    """Return when the index of the unfinished file, one number a row, has all rows of a chunk."""
    for _ in range(2000):
        time.sleep(0.005)
        for file in folder.glob("*.partial"):
            index = np.frombuffer(file.read_bytes()[4096 + COUNT * SIZE * SIZE :][: 8 * COUNT], "<u8")
            if np.count_nonzero(index) >= build.CHUNK:
                return
    pytest.fail("nothing was written")


def test_killed_build_is_resumed(folder, images, counted, monkeypatch):
    process = start_build(monkeypatch, folder, images, 0.02)
    wait_for_a_chunk(folder)
    process.kill()
    process.join()
    assert (names(folder), len(names(folder, "partial"))) == ([], 1)
    monkeypatch.setattr(Counted, "delay", 0.0)
    assert is_right(open_cache(folder, "train", images, counted), images)
    assert len(counted.read_files) == COUNT - build.CHUNK
    assert names(folder, "partial") == []


@pytest.mark.parametrize("delays", [(0.004, 0.004), (0.002, 0.006), (0.0, 0.0)])
def test_concurrent_builds_write_one_cache(folder, images, monkeypatch, delays):
    processes = [start_build(monkeypatch, folder, images, delay) for delay in delays]
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    assert is_right(open_cache(folder, "train", images, Preprocessing(SIZE)), images)
    assert (len(names(folder)), names(folder, "partial")) == (1, [])


def test_unreadable_images_stop_the_build_and_are_listed(folder, images):
    for row in (3, 20):
        images[row].write_bytes(images[row].read_bytes()[:50])
    with raises("unreadable-image") as caught:
        open_cache(folder, "train", images, Preprocessing(SIZE))
    summary, *lines = caught.value.message.splitlines()
    assert read_numbers(summary) == [2, 40]
    assert [str(images[row]) in line for row, line in zip((3, 20), lines, strict=True)] == [True, True]
    assert "data.on_missing=skip" in caught.value.hint
    assert names(folder) == []


def test_build_stops_at_the_fifth_unreadable_image(folder, images, counted):
    for image in images[:6]:
        image.write_bytes(b"")
    with raises("unreadable-image") as caught:
        open_cache(folder, "train", images, counted)
    assert read_numbers(caught.value.message.splitlines()[0]) == [5, 40]
    assert len(counted.read_files) == build.CHUNK


def test_cache_with_unreadable_images_opens_only_with_skip(folder, images):
    images[3].write_bytes(b"")
    cache, out = open_cache(folder, "train", images, Preprocessing(SIZE), skip=True), np.empty((SIZE, SIZE), np.uint8)
    assert [row for row in range(COUNT) if not cache.read(row, out)] == [3]
    with pytest.raises(UserError) as caught:
        open_cache(folder, "train", images, Preprocessing(SIZE))
    assert caught.value.where == str(images[3])


def test_full_disk_is_an_error_before_anything_is_written(folder, images, monkeypatch):
    usage = namedtuple("usage", "free")(COUNT * (SIZE * SIZE + 256) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with raises("write-failed", folder) as caught:
        open_cache(folder, "train", images, Preprocessing(SIZE))
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert "data.cache=null" in caught.value.hint
    assert list(folder.iterdir()) == []


def test_folder_that_cannot_be_made_is_an_error(tmp_path, images):
    (tmp_path / "file").touch()
    with raises("write-failed", tmp_path / "file" / "cache"):
        open_cache(tmp_path / "file" / "cache", "train", images, Preprocessing(SIZE))


def test_images_that_change_during_the_build_are_an_error(folder, images, monkeypatch):
    class Changing(Preprocessing):
        def read_noted(self, path, sha256=""):
            os.utime(images[0], ns=(1, time.time_ns()))
            return super().read_noted(path, sha256)

    with raises("changed-file", images[0].parent):
        open_cache(folder, "train", images, Changing(SIZE))
    assert names(folder) == []


def test_renamed_cache_is_an_error(folder, images):
    first, other = (open_cache(folder, "train", chosen, Preprocessing(SIZE)).path for chosen in (images, images[1:]))
    first.replace(other)
    with raises("damaged-cache", other):
        open_cache(folder, "train", images[1:], Preprocessing(SIZE))


def test_cache_does_not_change_the_skipped_views(write_chexpert, make_row, folder, capsys):
    root = write_chexpert([make_row({"Edema": "1.0"}, patient=n) for n in range(5)])
    broken = root / "CheXpert-v1.0-small" / "train" / "patient00003" / "study1" / "view1_frontal.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    seen = []
    options = {"image_size": 16, "batch_size": 2, "num_workers": 0, "on_missing": "skip", "skip_limit": 0.5}
    for cache in (None, folder, folder):
        data = CheXpertDataModule(root, ["Edema"], LabelPolicy("ones"), **options, cache=cache)
        data.setup("fit")
        batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
        seen.append((data.skipped, [batch.paths for batch in batches]))
    assert len(seen[0][0]) == 1
    assert seen[0] == seen[1] == seen[2]
