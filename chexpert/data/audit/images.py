"""What is wrong with the image files of a copy."""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chexpert.data.audit.defect import Defect, warn
from chexpert.data.audit.near_duplicates import compute_hash
from chexpert.data.decoding import decode, describe_damage
from chexpert.data.gray import NO_CONTRAST, has_contrast
from chexpert.data.sources.file_types import recognize_file

SUFFIXES = (".jpg", ".jpeg", ".png")
MOST_ASPECT = 2.0  # long side by short side; CheXpert's images have about 1.2
MAJORITY = 0.9  # share of the images with one short side from which on that is how this copy was scaled


@dataclass(frozen=True)
class ImageFile:
    """What a file turned out to be; without a picture the sides are 0 and `error` says why."""

    sha256: str = ""
    height: int = 0
    width: int = 0
    mode: str = ""  # Pillow's word; L is 8-bit gray
    error: str = ""
    contrast: bool = True  # whether anything can be seen
    notes: str = ""  # what else should be known
    phash: str = ""  # perceptual hash


def inspect_image(path: str) -> ImageFile:
    """Hash a file and decode the same bytes to the last pixel; nothing about the file raises."""
    digest = ""
    try:
        content = Path(path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        image = decode(content)
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        return ImageFile(digest, error=describe_damage(error))
    notes = "; ".join(image.notes)
    contrast, phash = has_contrast(image.gray), compute_hash(image.gray)
    return ImageFile(digest, image.height, image.width, image.mode, contrast=contrast, notes=notes, phash=phash)


def list_unlisted(folder: Path, listed: Collection[str], tops: Iterable[str] = ()) -> list[str]:
    """List the image files, by their content, that no table lists.

    Folders are searched that lie directly below `folder` under a name in `tops`, however deep, and those of the listed
    files; links are not followed.
    """
    start = len(str(folder)) + 1
    places = {(top, os.sep) for top in tops if not (folder / top).is_symlink()}
    places |= {path[start:].partition(os.sep)[:2] for path in listed}
    found = {str(path) for path in folder.iterdir()} if any(not slash for _, slash in places) else set()
    for top in (top for top, slash in places if slash):
        for parent, _, names in os.walk(folder / top):
            found |= {f"{parent}{os.sep}{name}" for name in names}
    return sorted(path for path in found.difference(listed) if _is_plain(Path(path)) and _may_be_image(path))


def find_known(folder: Path, names: Iterable[str]) -> list[str]:
    """Return files of a manifest that are there, without those that lead out of the folder, by name or link."""
    home = folder.resolve()
    paths = [folder / name for name in names]  # an absolute name replaces the folder
    return [str(path) for path in paths if _is_file(path) and path.resolve().is_relative_to(home)]


def is_image(path: str) -> bool:
    """Return whether the name of a file is that of an image."""
    return path.lower().endswith(SUFFIXES)


def _may_be_image(path: str) -> bool:
    try:
        return recognize_file(Path(path)).image
    except OSError:  # an image may be in it
        return True


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no name that this file system takes
        return False


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def find_missing(frame: pd.DataFrame, present: Sequence[bool]) -> Iterator[Defect]:
    """Yield views that a table lists and no file holds."""
    hint = "restore the file, or leave such views out and count them: data.on_missing=skip"
    for key, there in zip(frame["key"], present, strict=True):
        if not there:
            yield Defect("missing", key, "this image is missing", hint)


def find_unreadable(images: pd.DataFrame) -> Iterator[Defect]:
    """Yield files that Pillow refuses: truncated, no image, or too large.

    Args:
        images: one row a listed file that is there: `key`, `split` and the fields of `ImageFile`.
    """
    for key, error in images.loc[images["error"] != "", ["key", "error"]].itertuples(index=False):
        yield Defect("unreadable", key, error, "restore the file, or leave it out: data.on_missing=skip")


def find_blank(images: pd.DataFrame) -> Iterator[Defect]:
    """Yield files in which nothing is to be seen; `images` as above."""
    for key in images.loc[(images["error"] == "") & ~images["contrast"].astype(bool), "key"]:
        yield Defect("no_contrast", str(key), NO_CONTRAST, "restore the file, or remove its row from the table")


def find_noted(images: pd.DataFrame) -> Iterator[Defect]:
    """Yield files that are read although something speaks against it; `images` as above."""
    for key, notes in images.loc[images["notes"] != "", ["key", "notes"]].itertuples(index=False):
        yield warn("header", str(key), str(notes), "see whether this is the image that it should be")


def find_odd_images(images: pd.DataFrame) -> Iterator[Defect]:
    """Yield images of another size or shape than the others, or not 8-bit gray; `images` as above."""
    good = images[images["error"] == ""]
    if good.empty:
        return
    sides = good[["height", "width"]]
    short, aspect = sides.min(axis=1), sides.max(axis=1) / sides.min(axis=1)
    usual = int(short.mode()[0])
    if (short == usual).mean() >= MAJORITY:
        wrong, message = short != usual, f"the short side of the others has {usual} pixels"
    else:
        wrong, message = short < short.median() / 2, f"half of the others have {int(short.median())} pixels or more"
    hint = "see whether this is the image that it should be"
    for row in good[wrong].itertuples():
        yield warn("size", str(row.key), f"{row.width} x {row.height} pixels; {message}", hint)
    for row in good[aspect > MOST_ASPECT].itertuples():
        yield warn("aspect", str(row.key), f"{row.width} x {row.height} pixels: more than 2 to 1", hint)
    for row in good[good["mode"] != "L"].itertuples():
        yield warn("not_gray", str(row.key), f"not 8-bit gray, but {row.mode}", "none needed: it is read as gray")


def find_shared_images(images: pd.DataFrame) -> Iterator[Defect]:
    """Yield images with the same bytes in two splits, under whatever names; `images` as above."""
    known = images[images["sha256"] != ""]
    splits = known.groupby("sha256")["split"].transform("nunique")
    for _, same in known[splits > 1].groupby("sha256", sort=False):
        keys = sorted(same["key"])
        hint = "restore both files, or remove one of the views from its table"
        yield Defect("shared_image", keys[0], "the same image as " + ", ".join(keys[1:]), hint)
