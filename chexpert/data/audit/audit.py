"""The audit of one copy of CheXpert: what is there, and what is wrong with it."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from chexpert.data.audit import consistency, images
from chexpert.data.audit.changes import compare_manifest
from chexpert.data.audit.counting import count_labels, count_split
from chexpert.data.audit.defect import Defect, as_defect
from chexpert.data.explore import find_layout
from chexpert.data.files import find_present
from chexpert.data.fingerprint import fingerprint
from chexpert.data.layout import Layout
from chexpert.data.manifest import hash_file
from chexpert.data.parallel import map_files
from chexpert.data.published import PUBLISHED
from chexpert.problem import ProblemError


@dataclass
class Audit:
    """What an audit found.

    Attributes:
        layout: the copy; None where no copy, or more than one, lies under the root.
        frames: the splits that could be read.
        counts: by split, of `count_split`; with the fingerprint, and with the published totals where the split claims
            to be the whole one.
        defects: what is wrong, in the order in which it was looked for.
        images: one row a listed image that is there: key, split and the fields of `ImageFile`.
        hashes: SHA-256 of the tables and of every image file that lies there, by path relative to the layout's folder.
    """

    layout: Layout | None = None
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    images: pd.DataFrame | None = None
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return all(defect.severity != "error" for defect in self.defects)

    def to_json(self) -> dict[str, Any]:
        """{"layout": .., "<split>": {"images": .., "labels": {..}, ..}, "problems": [{"kind", "where", ..}]}."""
        layout = self.layout and {"name": self.layout.name, "folder": str(self.layout.folder)}
        return {"layout": layout, **self.counts, "problems": [asdict(defect) for defect in self.defects]}


def audit_copy(
    root: str | Path,
    *,
    variant: str = "auto",
    decode: bool = True,
    known: Mapping[str, str] | None = None,
    workers: int | None = None,
) -> Audit:
    """Audits the copy of CheXpert under a root.

    Args:
        root: as `chexpert.data.layout.find_layout` takes it.
        variant: as there.
        decode: look at the images too: are they there, and can they be decoded.
        known: {relative path: SHA-256} of an earlier manifest to hold the files against.
        workers: processes; None for one for each processor.
    """
    audit = Audit()
    try:
        audit.layout = find_layout(root, variant)
    except ProblemError as problem:
        audit.defects.append(as_defect("layout", problem))
        return audit
    audit.defects += _read_tables(audit, audit.layout)
    for split, frame in audit.frames.items():
        audit.defects += _check_table(audit, split, frame)
    audit.defects += consistency.find_shared_patients(audit.frames)
    if decode:
        audit.defects += _check_images(audit, audit.layout, known or (), workers)
    if known is not None:
        audit.defects += compare_manifest(known, audit.hashes)
    return audit


def _read_tables(audit: Audit, layout: Layout) -> Iterator[Defect]:
    for split in layout.tables:
        try:
            frame = audit.frames[split] = layout.read(split)
        except ProblemError as problem:
            yield as_defect("table", problem)
        else:
            audit.counts[split] = {**count_split(frame), "fingerprint": fingerprint(frame)}
    for labeller in layout.labellers if "train" in audit.frames else ():
        try:
            labels = count_labels(layout.read("train", labeller))
        except ProblemError as problem:
            yield as_defect("table", problem)
        else:
            audit.counts["train"].setdefault("labels_by_labeller", {})[labeller] = labels


def _check_table(audit: Audit, split: str, frame: pd.DataFrame) -> Iterator[Defect]:
    counts = audit.counts[split]
    if audit.layout and audit.layout.variant != "plus":  # CheXpert Plus counts otherwise: no totals by split are known
        whole = consistency.is_whole(counts, split)
        yield from consistency.compare_published(counts, split)
        counts["published"] = PUBLISHED[split] if whole else None
    yield from consistency.find_label_conflicts(frame)
    yield from consistency.find_impossible_no_finding(frame)
    if split == "train":
        yield from consistency.find_hierarchy_violations(frame)
        yield from consistency.find_scarce_labels(frame)


def _check_images(audit: Audit, layout: Layout, known: Iterable[str], workers: int | None) -> Iterator[Defect]:
    """Looks at every file that is listed, lies beside those that are, or was known before."""
    rows = [pd.DataFrame(columns=["key", "split", "file"], dtype=str)]
    for split, frame in audit.frames.items():
        try:
            files = layout.locate(frame)
            present = find_present(layout.folder, files)
        except ProblemError as problem:  # a link that leads out of the root, a pipe, no such batch
            yield as_defect("layout", problem)
            continue
        yield from images.find_missing(frame, present.tolist())
        rows.append(pd.DataFrame({"key": frame["key"], "split": split, "file": list(map(str, files))})[present])
    table = pd.concat(rows, ignore_index=True)
    listed = set(table["file"])
    unlisted = images.list_unlisted(layout.folder, listed)
    yield from images.find_unlisted(unlisted, layout.folder)
    others = sorted({*unlisted, *images.find_known(layout.folder, known)} - listed)
    paths = [*table["file"], *others]
    found = map_files(images.inspect_image, paths, "decoding images", workers)
    hashes = {os.path.relpath(path, layout.folder): image.sha256 for path, image in zip(paths, found, strict=True)}
    audit.hashes = {**hashes, **_hash_tables(layout)}
    columns = [column.name for column in fields(images.ImageFile)]
    audit.images = table.join(pd.DataFrame([asdict(image) for image in found[: len(table)]], columns=columns))
    for look in (images.find_unreadable, images.find_odd_images, images.find_shared_images):
        yield from look(audit.images)


def _hash_tables(layout: Layout) -> dict[str, str]:
    tables = {path for split in layout.tables for path in layout.list_tables(split)} | {*layout.labellers.values()}
    return {os.path.relpath(path, layout.folder): hash_file(path) for path in tables}
