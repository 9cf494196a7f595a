"""Defects that the audit finds in image files."""

import dataclasses
import hashlib
import re
import struct
import zlib
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chexpert.data.audit import images
from chexpert.data.audit.images import ImageFile, inspect_image


@pytest.fixture
def image(tmp_path):
    """A gray JPEG of 60 x 40 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.jpg")
    return tmp_path / "image.jpg"


def make_table(*rows, **columns):
    """Return a table of (key, width, height), as `find_odd_images` takes it."""
    table = pd.DataFrame(rows, columns=["key", "width", "height"])
    return table.assign(
        split="train", sha256=table["key"], mode="L", error="", contrast=True, notes="", phash=""
    ).assign(**columns)


def test_image_is_hashed_and_measured(image):
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    phash = str(imagehash.phash(Image.open(image), hash_size=16))
    assert inspect_image(str(image)) == ImageFile(digest, 40, 60, "L", "", phash=phash)


def test_image_is_read_once(image, monkeypatch):
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read(path), path.unlink())[0])
    assert inspect_image(str(image)).width == 60
    assert not image.exists()


def test_mode_is_that_of_the_file(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "image.png")
    assert inspect_image(str(tmp_path / "image.png")).mode == "RGB"


def test_truncated_image_has_an_error_and_a_hash(image):
    image.write_bytes(image.read_bytes()[:-200])
    found = inspect_image(str(image))
    assert found.error
    assert found.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    assert (found.height, found.width) == (0, 0)


def test_folder_in_place_of_an_image_has_an_error(tmp_path):
    assert inspect_image(str(tmp_path)).error


def test_huge_image_has_an_error_before_decoding(tmp_path):
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"")]
    packed = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    assert "400000000" in inspect_image(str(tmp_path / "bomb.png")).error


def test_blank_image_is_an_error_and_odd_header_a_warning(tmp_path):
    Image.fromarray(np.full((40, 32), 255, np.uint8)).save(tmp_path / "white.jpg")
    assert not inspect_image(str(tmp_path / "white.jpg")).contrast
    table = make_table(("a", 60, 40), ("b", 60, 40), contrast=[True, False], notes=["no radiograph: modality CT", ""])
    (defect,) = images.find_blank(table)
    assert (defect.kind, defect.where, defect.severity) == ("no_contrast", "b", "error")
    (defect,) = images.find_noted(table)
    assert (defect.kind, defect.where, defect.severity) == ("header", "a", "warning")


def test_unlisted_images_are_recognized_by_their_content(tmp_path):
    (tmp_path / "train/p").mkdir(parents=True)
    Image.new("L", (6, 4)).save(tmp_path / "train/p/CR.1.2.840", "PNG")
    (tmp_path / "train/p/._a.jpg").write_bytes(b"\0\x05\x16\x07" + bytes(80))
    (tmp_path / "train/p/notes").write_text("text")
    listed = [str(tmp_path / "train/p/a.jpg")]
    assert images.list_unlisted(tmp_path, listed) == [str(tmp_path / "train/p/CR.1.2.840")]


def test_other_short_side_than_nine_in_ten_is_a_warning():
    table = make_table(*((f"image{i}", 390, 320) for i in range(9)), ("odd", 300, 390))
    (defect,) = images.find_odd_images(table)
    assert (defect.kind, defect.where, defect.severity) == ("size", "odd", "warning")
    assert re.findall(r"\d+", defect.message) == ["300", "390", "320"]


def test_tiny_image_among_many_sizes_is_a_warning():
    table = make_table(("a", 2828, 2320), ("b", 2022, 2022), ("c", 2500, 2100), ("tiny", 390, 320))
    assert [(defect.kind, defect.where) for defect in images.find_odd_images(table)] == [("size", "tiny")]


def test_narrow_image_is_a_warning():
    table = make_table(("a", 390, 320), ("strip", 641, 320))
    assert [(defect.kind, defect.where) for defect in images.find_odd_images(table)] == [("aspect", "strip")]


def test_color_image_is_a_warning():
    table = make_table(("a", 390, 320), ("b", 390, 320), mode=["L", "RGB"])
    (defect,) = images.find_odd_images(table)
    assert (defect.kind, defect.where, defect.severity) == ("not_gray", "b", "warning")
    assert "RGB" in defect.message


def test_same_bytes_in_two_splits_are_an_error():
    rows = [(name, 390, 320) for name in ("train/a", "train/b", "valid/c", "valid/d")]
    table = make_table(*rows, split=["train", "train", "valid", "valid"], sha256=["1", "2", "2", "3"])
    (defect,) = images.find_shared_images(table)
    assert (defect.kind, defect.where, defect.severity) == ("shared_image", "train/b", "error")
    assert "valid/c" in defect.message


def test_same_bytes_in_one_split_pass():
    table = make_table(("train/a", 390, 320), ("train/b", 390, 320), sha256="1")
    assert list(images.find_shared_images(table)) == []


def test_unlisted_images_are_found_beside_listed_ones_only(tmp_path):
    names = ["train/p/a.jpg", "train/p/new.png", "train/p/notes.txt", "elsewhere/b.jpg", "top.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "train/p/link.jpg").symlink_to(tmp_path / "elsewhere/b.jpg")
    found = images.list_unlisted(tmp_path, [str(tmp_path / "train/p/a.jpg")])
    assert found == [str(tmp_path / "train/p/new.png")]


def test_files_of_a_manifest_are_found_inside_the_folder_only(tmp_path):
    (tmp_path / "data/train").mkdir(parents=True)
    for name in ("outside.jpg", "data/train/a.jpg", "data/train.csv"):
        (tmp_path / name).touch()
    names = ["train/a.jpg", "train/gone.jpg", "train.csv", "../outside.jpg", str(tmp_path / "outside.jpg")]
    (tmp_path / "data/link.jpg").symlink_to(tmp_path / "outside.jpg")
    found = images.find_known(tmp_path / "data", [*names, "link.jpg"])
    assert found == [str(tmp_path / "data" / name) for name in ("train/a.jpg", "train.csv")]


def test_unlisted_images_at_the_top_are_found(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    assert images.list_unlisted(tmp_path, [str(tmp_path / "a.jpg")]) == [str(tmp_path / "b.jpg")]


def test_table_has_the_fields_of_an_image_file():
    fields = {field.name for field in dataclasses.fields(ImageFile)}
    assert fields <= set(make_table(("a", 1, 1)).columns)
