"""The cache of fitted images: its key, its rows, and the damage that it finds."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises
from PIL import Image

from chexpert.data import Preprocessing, ViewDataset, open_cache
from chexpert.data.cache.images import CacheKey, CachePart, DecodedCache, make_key, pack_notes
from chexpert.image_size import ImageSize

SIZE = 8


@pytest.fixture
def files(tmp_path):
    """Four images of noise."""
    rng, files = np.random.default_rng(0), [tmp_path / "images" / f"patient{n}" / "view1.png" for n in range(4)]
    for file in files:
        file.parent.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (12, 10), dtype=np.uint8)).save(file)
    return files


@pytest.fixture
def cache(tmp_path, files):
    return open_cache(tmp_path / "cache", "train", files, Preprocessing(SIZE))


def read(cache, row):
    out = np.empty(cache.key.size, dtype=np.uint8)
    return out if cache.read(row, out) else None


def test_row_equals_the_fitted_image(cache, files):
    for row, file in enumerate(files):
        assert (read(cache, row) == Preprocessing(SIZE).read(file)).all()


def test_file_has_a_header_images_an_index_and_notes(cache):
    assert len(cache) == 4
    assert cache.path.stat().st_size == 4096 + 4 * SIZE * SIZE + 4 * 8 + 4 * 256


def test_pickled_cache_holds_no_pixels(cache):
    sent = pickle.dumps(cache)
    assert len(sent) < 500
    assert (read(pickle.loads(sent), 2) == read(cache, 2)).all()


def test_changed_bit_anywhere_is_an_error(cache):
    content = cache.path.read_bytes()
    for place in range(0, len(content), 11):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        cache.path.write_bytes(changed)
        with raises("damaged-cache", cache.path):
            [read(DecodedCache(cache.path), row) for row in range(4)]


NOTED = {"patient1": ("modality CT", "pixels that are not square"), "patient2": ("größe",)}


class Noting(Preprocessing):
    """Has notes on two of the images."""

    def read_noted(self, path, sha256=""):
        return super().read_noted(path, sha256)[0], NOTED.get(Path(path).parent.name, ())


@pytest.mark.parametrize("workers", [0, 2])
def test_notes_are_kept_with_their_image(tmp_path, files, workers):
    cache = open_cache(tmp_path / "cache", "train", files * 40, Noting(SIZE), workers=workers)
    for start in (0, 156):
        notes = [cache.notes(start + row) for row in range(4)]
        assert notes == [(), ("modality CT; pixels that are not square",), ("größe",), ()]
    part = CachePart(cache, np.array([2, 0]))
    assert [part.notes(0), part.notes(1)] == [("größe",), ()]
    assert (read(cache, 157) == Preprocessing(SIZE).read(files[1])).all()


@pytest.mark.parametrize(
    ("row", "locate"), [(2, lambda _: 4096 + 2 * SIZE * SIZE + 5), (1, lambda content: content.index(b"CT"))]
)
def test_changed_image_or_note_is_an_error_in_its_row_only(tmp_path, files, row, locate):
    path = open_cache(tmp_path / "cache", "train", files, Noting(SIZE)).path
    content = bytearray(path.read_bytes())
    content[locate(content)] ^= 1
    path.write_bytes(content)
    opened = DecodedCache(path)
    assert all(read(opened, other) is not None for other in range(4) if other != row)
    for _ in range(2):
        with raises("damaged-cache", path) as caught:
            read(opened, row)
        assert str(row) in caught.value.message


def test_key_of_dicom_files_names_the_dicom_decoders(files):
    plain = make_key(list(map(str, files)), Preprocessing(SIZE)).decoder
    assert plain.count(",") == 2
    assert "dicom" not in plain
    mixed = make_key([*map(str, files), str(files[0].with_suffix(".DCM"))], Preprocessing(SIZE)).decoder
    assert mixed.startswith(plain)
    assert [part.split()[0] for part in mixed.split(", ")] == ["Pillow", "libjpeg", "OpenCV", "pydicom", "python-gdcm"]


def test_long_notes_are_cut():
    assert pack_notes(["ä" * 100, "b" * 100]) == ("ä" * 100 + "; " + "b" * 54).encode()
    assert pack_notes(["a"]) == b"a" + bytes(255)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: c[:4000], lambda c: b""])
def test_file_of_other_length_is_an_error(cache, change):
    cache.path.write_bytes(change(cache.path.read_bytes()))
    with raises("damaged-cache", cache.path):
        DecodedCache(cache.path)


def test_damaged_row_is_not_skipped_as_an_unreadable_image(cache, files):
    content = bytearray(cache.path.read_bytes())
    content[4096] ^= 1
    cache.path.write_bytes(content)
    targets, mask = np.zeros((4, 1), dtype="float32"), np.ones((4, 1), dtype=bool)
    opened = DecodedCache(cache.path)
    views = ViewDataset(list("abcd"), files, targets, mask, Preprocessing(SIZE), skip=True, cache=opened)
    with raises("damaged-cache", cache.path):
        views[0, 0]


def key(files, size=SIZE, fit="stretch"):
    return make_key([str(file) for file in files], Preprocessing(size, fit))


def touch(file):
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))


def lengthen(file):
    before = file.stat()
    file.write_bytes(file.read_bytes() + b"\0")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [touch, lengthen, lambda file: file.unlink()])
def test_changed_file_changes_the_key(files, change):
    before = key(files)
    change(files[2])
    assert key(files) != before


def test_other_files_or_order_change_the_key(files):
    assert len({key(files), key(files[:3]), key(files[::-1])}) == 3


def test_other_geometry_changes_the_key(files):
    keys = {key(files, size, fit) for size in (8, 9) for fit in ("stretch", "crop", "pad")}
    assert len(keys) == 6


def test_moved_dataset_keeps_its_key(files, tmp_path):
    before = key(files)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    assert key([tmp_path / "elsewhere" / file.relative_to(tmp_path / "images") for file in files]) == before


@pytest.mark.parametrize("field", ["images", "files", "size", "fit", "code", "decoder"])
def test_file_name_depends_on_each_part_of_the_key(field):
    parts = {"images": 1, "files": "", "size": ImageSize(8, 8), "fit": "pad", "code": 1, "decoder": ""}
    other = parts | {field: ImageSize(8, 9) if field == "size" else parts[field] + type(parts[field])("1")}
    assert CacheKey(**parts).name("train") != CacheKey(**other).name("train")


def test_key_has_the_file_name_of_older_versions():
    key = CacheKey(1, "", ImageSize(8, 8), "pad", 1, "")
    assert key.name("train") == "train-8-pad-7991230aba1bc325.films"  # of older versions
    assert key.to_dict()["size"] == 8
    assert CacheKey.from_dict(key.to_dict()) == key


def test_key_of_a_rectangle_names_both_sides():
    key = CacheKey(1, "", ImageSize(12, 8), "pad", 1, "")
    assert key.name("train").startswith("train-12x8-pad-")
    assert key.to_dict()["size"] == [12, 8]
    assert CacheKey.from_dict(key.to_dict()) == key


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_rectangles_come_back_as_they_were_fitted(tmp_path, files, fit):
    preprocessing = Preprocessing((9, 5), fit)
    cache = open_cache(tmp_path / "cache", "train", files, preprocessing)
    assert cache.path.stat().st_size == 4096 + 4 * 9 * 5 + 4 * 8 + 4 * 256
    for opened in (cache, open_cache(tmp_path / "cache", "train", files, preprocessing)):
        out = np.empty((9, 5), dtype=np.uint8)
        for row, file in enumerate(files):
            assert opened.read(row, out)
            assert (out == preprocessing.read(file)).all()
    assert open_cache(tmp_path / "cache", "train", files, Preprocessing((5, 9), fit)).path != cache.path
