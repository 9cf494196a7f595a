"""The image files of a copy: looked for, hashed, decoded and checked."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, fields

import pandas as pd

from chexpert.data.audit import images
from chexpert.data.audit.defect import Defect, as_defect, warn
from chexpert.data.audit.missing_tables import find_unlisted
from chexpert.data.audit.near_duplicates import locate_near_duplicates
from chexpert.data.audit.result import Audit
from chexpert.data.parallel import map_files
from chexpert.data.sources.layout import Layout
from chexpert.data.sources.manifest import hash_file
from chexpert.errors import UserError

FOLDERS = ("train", "valid", "val", "test")  # looked through whether a table lists anything there or not
COLUMNS = [column.name for column in fields(images.ImageFile)]


def check_images(
    audit: Audit, layout: Layout, known: Iterable[str], workers: int | None, *, within_train: bool = False
) -> Iterator[Defect]:
    """Check every file that is listed, lies beside those that are, or was known before.

    Nearly the same images are looked for between splits, or also ``within_train``.
    """
    rows = [pd.DataFrame(columns=["key", "split", "file"], dtype=str)]
    for split, frame in audit.frames.items():
        try:
            files, present = layout.find(frame)
        except UserError as error:  # a link that leads out of the root, a pipe, no such batch
            audit.unread.append(split)
            yield as_defect("layout", error)
            continue
        yield from images.find_missing(frame, present.tolist())
        rows.append(pd.DataFrame({"key": frame["key"], "split": split, "file": files})[present])
    table = pd.concat(rows, ignore_index=True)
    listed = set(table["file"])
    unlisted = images.list_unlisted(layout.folder, listed, (*FOLDERS, *layout.image_folders))
    yield from _find_unlisted(audit, layout, unlisted, listed)
    further = [name for name in known if f"{layout.folder}{os.sep}{name}" not in listed]
    named = {*images.find_known(layout.folder, further)} - listed
    found = _inspect(audit, layout, [*table["file"], *sorted({*unlisted, *filter(images.is_image, named)})], workers)
    _hash_others(audit, layout, named)
    audit.images = table.join(pd.DataFrame([asdict(image) for image in found[: len(table)]], columns=COLUMNS))
    looks = (
        images.find_unreadable,
        images.find_blank,
        images.find_noted,
        images.find_odd_images,
        images.find_shared_images,
    )
    for look in looks:
        yield from look(audit.images)
    yield from locate_near_duplicates(audit.images, within_train=within_train)


def _find_unlisted(audit: Audit, layout: Layout, unlisted: Sequence[str], listed: Collection[str]) -> Iterator[Defect]:
    if audit.unread:
        message = "images that no table lists are not reported: a table, or the folder of its images, could not be read"
        yield warn("not_listed", ", ".join(audit.unread), message, "fix that first")
    else:
        patients = {patient for frame in audit.frames.values() for patient in frame["patient"].unique()}
        yield from find_unlisted(layout, unlisted, patients, listed)


def _inspect(audit: Audit, layout: Layout, paths: Sequence[str], workers: int | None) -> list[images.ImageFile]:
    found = map_files(images.inspect_image, paths, "decoding images", workers)
    audit.hashes |= {
        os.path.relpath(path, layout.folder): image.sha256 for path, image in zip(paths, found, strict=True)
    }
    return found


def _hash_others(audit: Audit, layout: Layout, named: Collection[str]) -> None:
    """Hashes the tables, and what a manifest names beside images."""
    tables = {path for split in layout.tables for path in layout.list_tables(split)} | {*layout.labelers.values()}
    for path in {*map(str, tables), *named}:
        name = os.path.relpath(path, layout.folder)
        if name not in audit.hashes:
            audit.hashes[name] = hash_file(path)
