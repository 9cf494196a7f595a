"""Building the cache: once, safely, and anew when anything has changed."""

import multiprocessing
import os
import shutil
import time
from collections import Counter, namedtuple
from pathlib import Path

import numpy as np
import pytest
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
    """Counts the files that it reads, and may be interrupted at one of them, or slow."""

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


def is_right(cache, images):
    out = np.empty((SIZE, SIZE), dtype=np.uint8)
    return all(
        cache.read(row, out) and (out == Preprocessing(SIZE).read(image)).all() for row, image in enumerate(images)
    )


def test_a_second_opening_decodes_nothing(folder, images, counted):
    for _ in range(2):
        assert is_right(open_cache(folder, "train", images, counted), images)
    assert set(counted.read_files.values()) == {1}
    assert len(counted.read_files) == COUNT


def test_processes_change_no_byte(folder, images):
    one, two = (open_cache(folder / str(n), "train", images * 4, Preprocessing(SIZE), workers=n) for n in (1, 2))
    assert one.path.read_bytes() == two.path.read_bytes()


def test_a_replaced_film_is_decoded_anew_and_the_reason_told_once(folder, images, capsys):
    old = open_cache(folder, "train", images, Preprocessing(SIZE)).path
    Image.fromarray(np.full((12, 10), 7, dtype=np.uint8)).save(images[3])
    capsys.readouterr()
    new = open_cache(folder, "train", images, Preprocessing(SIZE))
    told = capsys.readouterr().err
    assert is_right(new, images)
    assert "since image files were changed" in told
    assert f"delete {old}" in told
    open_cache(folder, "train", images, Preprocessing(SIZE))
    assert capsys.readouterr().err == ""


def test_an_added_film_is_told_as_such(folder, images, capsys):
    open_cache(folder, "train", images[:-1], Preprocessing(SIZE))
    assert is_right(open_cache(folder, "train", images, Preprocessing(SIZE)), images)
    assert "since there are 40 images instead of 39" in capsys.readouterr().err


def test_other_decoders_decode_anew(folder, images, capsys, monkeypatch):
    open_cache(folder, "train", images, Preprocessing(SIZE))
    monkeypatch.setattr("PIL.__version__", "0.1")
    open_cache(folder, "train", images, Preprocessing(SIZE))
    assert "Pillow 0.1" in capsys.readouterr().err
    assert len(names(folder)) == 2


def test_nothing_is_said_of_the_caches_of_other_films(folder, images, tmp_path, capsys):
    open_cache(folder, "train", images, Preprocessing(SIZE))
    other = tmp_path / "other" / "0.png"
    other.parent.mkdir()
    shutil.copy(images[1], other)
    for split, files, size in (("train", [other], SIZE), ("valid", images[1:], SIZE), ("train", images, 9)):
        open_cache(folder, split, files, Preprocessing(size))
    assert "delete" not in capsys.readouterr().err


@pytest.mark.parametrize("at", [0, 15, 16, 37, 39])
def test_an_interrupted_build_opens_as_nothing_and_is_taken_up_again(folder, images, counted, monkeypatch, at):
    monkeypatch.setattr(Counted, "stop_at", f"{at}.png")
    with pytest.raises(KeyboardInterrupt):
        open_cache(folder, "train", images, counted)
    assert names(folder) == []
    monkeypatch.setattr(Counted, "stop_at", None)
    assert is_right(open_cache(folder, "train", images, counted), images)
    assert names(folder, "partial") == []
    again = [name for name, times in counted.read_files.items() if times == 2]
    assert len(again) == at % build.CHUNK  # what was decoded in the chunk that was not written


@pytest.mark.parametrize("step", ["seal", "publish"])
def test_a_build_interrupted_at_its_end_decodes_nothing_again(folder, images, counted, monkeypatch, step):
    with monkeypatch.context() as patch:
        patch.setattr(PartialCache, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            open_cache(folder, "train", images, counted)
    assert names(folder) == []
    assert is_right(open_cache(folder, "train", images, counted), images)
    assert set(counted.read_files.values()) == {1}


def test_rows_that_did_not_reach_the_disk_are_decoded_again(folder, images, counted, monkeypatch):
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


def start(monkeypatch, folder, images, delay):
    """A process that builds."""
    monkeypatch.setattr(Counted, "delay", delay)
    process = multiprocessing.get_context("fork").Process(
        target=open_cache, args=(folder, "train", images, Counted(SIZE)), kwargs={"workers": 1}
    )
    process.start()
    return process


def wait_for_a_chunk(folder):
    """Until the index of the unfinished file, in which a row is one number, has all rows of a chunk."""
    for _ in range(2000):
        time.sleep(0.005)
        for file in folder.glob("*.partial"):
            index = np.frombuffer(file.read_bytes()[4096 + COUNT * SIZE * SIZE :][: 8 * COUNT], "<u8")
            if np.count_nonzero(index) >= build.CHUNK:
                return
    pytest.fail("nothing was written")


def test_a_killed_build_leaves_nothing_that_opens_and_is_taken_up_again(folder, images, counted, monkeypatch):
    process = start(monkeypatch, folder, images, 0.02)
    wait_for_a_chunk(folder)
    process.kill()
    process.join()
    assert (names(folder), len(names(folder, "partial"))) == ([], 1)
    monkeypatch.setattr(Counted, "delay", 0.0)
    assert is_right(open_cache(folder, "train", images, counted), images)
    assert len(counted.read_files) == COUNT - build.CHUNK
    assert names(folder, "partial") == []


@pytest.mark.parametrize("delays", [(0.004, 0.004), (0.002, 0.006), (0.0, 0.0)])
def test_two_processes_that_build_at_once_end_with_one_right_cache(folder, images, monkeypatch, delays):
    processes = [start(monkeypatch, folder, images, delay) for delay in delays]
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    assert is_right(open_cache(folder, "train", images, Preprocessing(SIZE)), images)
    assert (len(names(folder)), names(folder, "partial")) == (1, [])


def test_unreadable_films_stop_the_build_and_are_listed(folder, images):
    for row in (3, 20):
        images[row].write_bytes(images[row].read_bytes()[:50])
    with pytest.raises(UserError, match=r"2 of 40 images cannot be read(?s:.*)3\.png(?s:.*)20\.png(?s:.*)=skip"):
        open_cache(folder, "train", images, Preprocessing(SIZE))
    assert names(folder) == []


def test_a_build_stops_when_it_has_seen_enough_that_is_unreadable(folder, images, counted):
    for image in images[:6]:
        image.write_bytes(b"")
    with pytest.raises(UserError, match="at least 5 of 40"):
        open_cache(folder, "train", images, counted)
    assert len(counted.read_files) == build.CHUNK


def test_unreadable_films_are_left_out_under_skip(folder, images):
    images[3].write_bytes(b"")
    cache, out = open_cache(folder, "train", images, Preprocessing(SIZE), skip=True), np.empty((SIZE, SIZE), np.uint8)
    assert [row for row in range(COUNT) if not cache.read(row, out)] == [3]


def test_a_cache_with_unreadable_films_does_not_open_without_skip(folder, images):
    images[3].write_bytes(b"")
    open_cache(folder, "train", images, Preprocessing(SIZE), skip=True)
    with pytest.raises(UserError, match=r"cannot be read(?s:.*)3\.png"):
        open_cache(folder, "train", images, Preprocessing(SIZE))


def test_too_small_a_disk_is_told_before_anything_is_written(folder, images, monkeypatch):
    usage = namedtuple("usage", "free")(COUNT * (SIZE * SIZE + 256) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"cannot be written(?s:.*)GB are free(?s:.*)data\.cache=null"):
        open_cache(folder, "train", images, Preprocessing(SIZE))
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path, images):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="the cache cannot be written"):
        open_cache(tmp_path / "file" / "cache", "train", images, Preprocessing(SIZE))


def test_films_that_change_while_they_are_decoded_are_not_kept(folder, images, monkeypatch):
    class Changing(Preprocessing):
        def read_noted(self, path, sha256=""):
            os.utime(images[0], ns=(1, time.time_ns()))
            return super().read_noted(path, sha256)

    with pytest.raises(UserError, match="changed while they were decoded"):
        open_cache(folder, "train", images, Changing(SIZE))
    assert names(folder) == []


def test_a_renamed_cache_is_refused(folder, images):
    first, other = (open_cache(folder, "train", chosen, Preprocessing(SIZE)).path for chosen in (images, images[1:]))
    first.replace(other)
    with pytest.raises(UserError, match="written for other images"):
        open_cache(folder, "train", images[1:], Preprocessing(SIZE))


def test_skipped_views_are_the_same_with_and_without_the_cache(write_chexpert, make_row, folder, capsys):
    root = write_chexpert([make_row({"Edema": "1.0"}, patient=n) for n in range(5)])
    broken = root / "CheXpert-v1.0-small" / "train" / "patient00003" / "study1" / "view1_frontal.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    seen = []
    options = {"image_size": 16, "batch_size": 2, "num_workers": 0}
    for cache in (None, folder, folder):
        data = CheXpertDataModule(root, ["Edema"], LabelPolicy("ones"), **options, on_missing="skip", cache=cache)
        data.setup("fit")
        batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
        seen.append((data.skipped, [batch.paths for batch in batches]))
    assert len(seen[0][0]) == 1
    assert seen[0] == seen[1] == seen[2]
