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


def test_encoded_mask_decodes_to_itself():
    assert all((rle.decode(encode(mask)) == mask).all() for mask in make_masks())


def test_unpacked_runs_restore_the_mask():
    for mask in make_masks():
        runs = unpack(encode(mask)["counts"])
        restored = np.repeat(np.arange(len(runs)) % 2, runs)
        assert (mask == restored.reshape(mask.shape[::-1]).T).all()


def test_list_of_counts_gives_the_same_mask():
    listed = check({"size": [5, 7], "counts": [11, 2, 3, 2, 3, 2, 12]})
    assert (rle.decode(listed) == rle.decode(GOOD)).all()


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"size": [5, 9], "counts": ";230009"}, "35.* 5 x 9.* 45"),
        ({"size": [5, 6], "counts": ";230009"}, "35.* 30"),
        ({"size": [5, 7], "counts": [11, 2, 3]}, "16.* 35"),
        ({"size": [5, 7], "counts": [40, -5]}, None),
        ({"size": [5, 7], "counts": [35.0]}, None),
        ({"size": [5, 7], "counts": ""}, None),
        ({"size": [5, 7], "counts": "zzz~~~"}, None),
        ({"size": [5, 7], "counts": ";23é"}, None),
        ({"size": [5, 7], "counts": "ooooooooo0"}, None),
        ({"size": [5, 7], "counts": "23O"}, None),
        ({"size": [5, 7], "counts": None}, "NoneType"),
        ({"size": [5], "counts": "3"}, "height, width"),
        ({"size": ["5", "7"], "counts": "3"}, "height, width"),
        ({"size": [0, 7], "counts": "0"}, "height, width"),
        ({"counts": "3"}, "without size.*height, width"),
        ({"size": 35, "counts": ";230009"}, "height, width"),
        ({"size": None, "counts": ";230009"}, "height, width"),
        ({"size": [5.0, 7.0], "counts": ";230009"}, "height, width"),
        ({"size": [-5, -7], "counts": ";230009"}, "height, width"),
        ({"size": [10**5, 10**5], "counts": [10**10]}, "64,000,000"),
        ([1, 2], "size"),
    ],
)
def test_invalid_mask_is_an_error(item, named):
    with pytest.raises(ValueError, match=named):
        check(item)
