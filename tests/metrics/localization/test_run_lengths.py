"""COCO's run lengths."""

import numpy as np
import pytest
from pycocotools import mask as rle

from chexpert.metrics.localization.run_lengths import check, encode, unpack

GOOD = {"size": [5, 7], "counts": ";230009"}


def make_masks(count=60):
    rng = np.random.default_rng(0)
    for _ in range(count):
        small = rng.random(rng.integers(1, 30, 2)) < rng.choice([0, 0.1, 0.5, 1])
        yield np.repeat(np.repeat(small, rng.integers(1, 40), 0), rng.integers(1, 40), 1)


def test_what_is_encoded_decodes_to_the_same_mask():
    assert all((rle.decode(encode(mask)) == mask).all() for mask in make_masks())


def test_the_lengths_of_the_runs_restore_the_mask():
    for mask in make_masks():
        runs = unpack(encode(mask)["counts"])
        restored = np.repeat(np.arange(len(runs)) % 2, runs)
        assert (mask == restored.reshape(mask.shape[::-1]).T).all()


def test_a_list_of_counts_is_the_same_mask():
    listed = check({"size": [5, 7], "counts": [11, 2, 3, 2, 3, 2, 12]})
    assert (rle.decode(listed) == rle.decode(GOOD)).all()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"size": [5, 9], "counts": ";230009"}, "counts are for 35 pixels, the size 5 x 9 has 45"),
        ({"size": [5, 6], "counts": ";230009"}, "counts are for 35 pixels"),
        ({"size": [5, 7], "counts": [11, 2, 3]}, "counts are for 16 pixels"),
        ({"size": [5, 7], "counts": [40, -5]}, "0 or more"),
        ({"size": [5, 7], "counts": [35.0]}, "0 or more"),
        ({"size": [5, 7], "counts": ""}, "not run lengths"),
        ({"size": [5, 7], "counts": "zzz~~~"}, "not run lengths"),
        ({"size": [5, 7], "counts": ";23é"}, "not run lengths"),
        ({"size": [5, 7], "counts": "ooooooooo0"}, "not run lengths"),
        ({"size": [5, 7], "counts": "23O"}, "not run lengths"),
        ({"size": [5, 7], "counts": None}, "text or a list, not NoneType"),
        ({"size": [5], "counts": "3"}, "not \\[height, width\\]"),
        ({"size": ["5", "7"], "counts": "3"}, "not \\[height, width\\]"),
        ({"size": [0, 7], "counts": "0"}, "not \\[height, width\\]"),
        ({"counts": "3"}, "size and counts"),
        ([1, 2], "size and counts"),
    ],
)
def test_what_is_no_mask_is_reported(item, message):
    with pytest.raises(ValueError, match=message):
        check(item)
