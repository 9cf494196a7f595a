"""Images that are nearly the same, and said to be of different patients: by a perceptual hash of 256 bits."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from chexpert.data.audit.defect import Defect, warn

SIDE = 16
"""Frequencies each way: 256 bits. In imagehash's usual 64 bits radiographs of two patients differ in 8 and more."""

NEAR = 28
"""Bits that may differ. See docs/decisions/audit.md: a copy that was saved anew, resized or brightened differs in up to
28; radiographs of different patients differ in 72 or more, in 16,753 pairs."""

BLOCK = 4096
"""Images on each side of a product: 64 MiB of distances."""

MOST = 1000
"""Pairs that are listed one by one."""


def compute_hash(gray: np.ndarray) -> str:
    """Return the perceptual hash of an image as 64 hexadecimal digits: which low frequencies are above their median.

    Source: the package imagehash, ``phash``.

    Args:
        gray: (H, W) uint8.
    """
    import imagehash  # half a second, which a command that reads tables only does not need
    from PIL import Image

    return str(imagehash.phash(Image.fromarray(gray), hash_size=SIDE))


def locate_near_duplicates(images: pd.DataFrame, *, within_train: bool = False) -> Iterator[Defect]:
    """Yield pairs of nearly the same image in two splits, under the names of different patients.

    Files with the same bytes in two splits are left to the check of those. Images without contrast are all alike, and
    are reported as such.

    Args:
        images: one row a listed file that is there: ``key``, ``split`` and the fields of ``ImageFile``.
        within_train: look at pairs within train too.
    """
    known = images[(images["phash"] != "") & images["contrast"].astype(bool)].reset_index(drop=True)
    if known.empty:
        return
    bits = unpack_bits(known["phash"].tolist())
    patients = known["key"].str.split("/").str[1].to_numpy(str)
    keys, splits, digests = (known[name].to_numpy(str) for name in ("key", "split", "sha256"))
    places = {split: np.flatnonzero(splits == split) for split in known["split"].unique()}
    pairs = [(places[one], places[two]) for one, two in combinations(places, 2)]
    if within_train and "train" in places:
        pairs.append((places["train"], places["train"]))
    found = 0
    for first, second in pairs:
        for i, j, distance in compute_near_pairs(bits, first, second):
            across = splits[i] != splits[j]
            if patients[i] == patients[j] or (across and digests[i] == digests[j]):
                continue
            found += 1
            if found <= MOST:
                yield _describe(keys[i], keys[j], distance)
    if found > MOST:
        message = f"{found:,} pairs of nearly the same image, of which {MOST:,} are listed"
        yield warn("near_duplicate", "all splits", message, "see whether a part of the copy is there twice")


def unpack_bits(hashes: list[str]) -> np.ndarray:
    """Return hashes as (N, 256) int8, 1 or -1: the product of two rows is 256 less twice their Hamming distance."""
    content = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    return np.unpackbits(content, axis=1).astype(np.int8) * 2 - 1


def compute_near_pairs(
    bits: np.ndarray, first: np.ndarray, second: np.ndarray, near: int = NEAR
) -> Iterator[tuple[int, int, int]]:
    """Yield rows (i, j) and the Hamming distance of all pairs that differ in at most ``near`` bits.

    All pairs are compared, as products of blocks of float32, which are exact. Of one set with itself each pair is
    compared once, and no row with itself.

    Args:
        bits: (N, B) int8, 1 or -1.
        first: rows of one set, ascending.
        second: rows of the other set; the same array for pairs within the set.
        near: bits that may differ.
    """
    least, same = bits.shape[1] - 2 * near, first is second
    for start in range(0, len(first), BLOCK):
        one = first[start : start + BLOCK]
        left = bits[one].astype(np.float32)
        for begin in range(start if same else 0, len(second), BLOCK):
            two = second[begin : begin + BLOCK]
            products = left @ bits[two].astype(np.float32).T
            for i, j in np.argwhere(products >= least).tolist():
                if not same or one[i] < two[j]:
                    yield int(one[i]), int(two[j]), int(bits.shape[1] - products[i, j]) // 2


def _describe(key: str, other: str, distance: int) -> Defect:
    message = f"nearly the same image as {other}, which is of another patient ({distance} of {SIDE**2} bits differ)"
    hint = "look at both; if they are one image, remove one of the views from its table"
    return warn("near_duplicate", key, message, hint)
