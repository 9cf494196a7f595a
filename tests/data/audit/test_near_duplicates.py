"""Nearly the same images of different patients: hashes of the package imagehash, all pairs against a slow loop."""

import io

import imagehash
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from chexpert.data.audit import audit_copy, near_duplicates
from chexpert.data.audit.near_duplicates import (
    NEAR,
    compute_hash,
    compute_near_pairs,
    locate_near_duplicates,
    unpack_bits,
)

FOLDER = "CheXpert-v1.0-small"


def paint(seed, height=160, width=140):
    """A smooth picture of many frequencies."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def list_slowly(hashes, first, second, near):
    """All pairs, each compared by imagehash itself."""
    own = [imagehash.hex_to_hash(text) for text in hashes]
    pairs = [(i, j) for i in first for j in second if first is not second or i < j]
    return sorted((i, j, int(own[i] - own[j])) for i, j in pairs if own[i] - own[j] <= near)


def make_hashes(seed, count):
    """Hashes of which some are a few bits from each other."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (count, 256))
    for row in range(1, count, 3):
        bits[row] = bits[row - 1]
        bits[row, rng.choice(256, int(rng.integers(0, 80)), replace=False)] ^= 1
    return [np.packbits(row).tobytes().hex() for row in bits.astype(np.uint8)]


def test_hash_is_that_of_imagehash():
    assert compute_hash(paint(0)) == str(imagehash.phash(Image.fromarray(paint(0)), hash_size=16))


@given(st.integers(0, 2**32 - 1), st.integers(2, 25), st.integers(0, 60), st.integers(1, 9))
def test_pairs_match_a_loop_in_blocks_of_any_size(seed, count, near, block):
    hashes = make_hashes(seed, count)
    first, second = np.arange(count // 2), np.arange(count // 2, count)
    bits = unpack_bits(hashes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "BLOCK", block)
        assert sorted(compute_near_pairs(bits, first, second, near)) == list_slowly(hashes, first, second, near)
        assert sorted(compute_near_pairs(bits, second, second, near)) == list_slowly(hashes, second, second, near)


def change(gray, kind):
    image = Image.fromarray(gray)
    if kind == "jpeg":
        content = io.BytesIO()
        image.save(content, "JPEG", quality=50)
        return np.asarray(Image.open(content))
    if kind == "half":
        return np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.BILINEAR))
    return np.asarray(ImageEnhance.Brightness(image).enhance(0.8))


def make_table(*rows):
    """A table of (key, image)."""
    return pd.DataFrame([
        {"key": f"{key}/study1/view1_frontal", "split": key.split("/")[0], "phash": compute_hash(gray),
         "sha256": str(number), "contrast": True}
        for number, (key, gray) in enumerate(rows)
    ])  # fmt: skip


@pytest.mark.parametrize("kind", ["jpeg", "half", "darker"])
def test_copy_of_an_image_in_another_split_is_located(kind):
    table = make_table(
        ("train/patient00001", paint(1)),
        ("train/patient00002", paint(2)),
        ("valid/patient00003", change(paint(2), kind)),
    )
    (defect,) = locate_near_duplicates(table)
    assert (defect.kind, defect.severity) == ("near_duplicate", "warning")
    assert defect.where == "train/patient00002/study1/view1_frontal"
    assert "valid/patient00003/study1/view1_frontal" in defect.message


def test_pairs_of_a_patient_of_the_same_bytes_and_of_nothing_visible_are_left_to_other_checks():
    same = make_table(("train/patient00001", paint(1)), ("valid/patient00001", paint(1)))
    assert list(locate_near_duplicates(same)) == []
    bytes_too = make_table(("train/patient00001", paint(1)), ("valid/patient00002", paint(1))).assign(sha256="same")
    assert list(locate_near_duplicates(bytes_too)) == []
    black = make_table(("train/patient00001", paint(1)), ("valid/patient00002", paint(1))).assign(contrast=False)
    assert list(locate_near_duplicates(black)) == []
    assert list(locate_near_duplicates(black.iloc[:0])) == []


def test_pairs_within_train_are_located_where_asked():
    table = make_table(("train/patient00001", paint(1)), ("train/patient00002", paint(1)), ("valid/patient3", paint(3)))
    assert list(locate_near_duplicates(table)) == []
    (defect,) = locate_near_duplicates(table, within_train=True)
    assert defect.where == "train/patient00001/study1/view1_frontal"
    (same,) = locate_near_duplicates(table.assign(sha256="same"), within_train=True)  # no other check looks there
    assert "0 of 256" in same.message


def test_many_pairs_are_counted(monkeypatch):
    monkeypatch.setattr(near_duplicates, "MOST", 3)
    table = make_table(*((f"{split}/patient{n}{split}", paint(1)) for n in range(3) for split in ("train", "valid")))
    *listed, last = locate_near_duplicates(table)
    assert len(listed) == 3
    assert "9" in last.message


def test_different_pictures_are_far_from_each_other():
    hashes = [compute_hash(paint(seed)) for seed in range(20)]
    assert list_slowly(hashes, range(10), range(10, 20), 2 * NEAR) == []


def test_audit_locates_a_copy_that_was_saved_anew(write_chexpert, make_row):
    rows = [make_row({"Edema": "1.0"}, patient=patient) for patient in (1, 2)]
    root = write_chexpert(rows, [make_row({"Edema": "1.0"}, split="valid")])
    (copied,) = (root / FOLDER / "valid").rglob("*.jpg")
    Image.fromarray(paint(2)).save(next((root / FOLDER / "train/patient00002").rglob("*.jpg")), quality=95)
    Image.fromarray(paint(2)).save(copied, quality=60)
    found = [defect for defect in audit_copy(root, workers=1).defects if defect.kind == "near_duplicate"]
    assert [defect.where for defect in found] == ["train/patient00002/study1/view1_frontal"]
    assert [d for d in audit_copy(root, decode=False).defects if d.kind == "near_duplicate"] == []
