"""The tables of a copy: read, counted and checked one by one."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from chexpert.data.audit import consistency
from chexpert.data.audit.counting import count_labels, count_split
from chexpert.data.audit.defect import Defect, as_defect, warn
from chexpert.data.audit.result import Audit
from chexpert.data.sources.layout import Layout
from chexpert.data.sources.published_counts import PUBLISHED
from chexpert.data.summary import fingerprint
from chexpert.errors import UserError


def read_tables(audit: Audit, layout: Layout) -> Iterator[Defect]:
    """Add frames and counts to an audit; yield a defect for each table that gives none."""
    for split in layout.tables:
        try:
            frame = layout.read(split)
        except UserError as error:
            audit.unread.append(split)
            yield as_defect("table", error)
            continue
        if frame.empty:
            yield _check_empty(audit, layout, split)
            continue
        audit.frames[split] = frame
        audit.counts[split] = {**count_split(frame), "fingerprint": fingerprint(frame)}
    if "train" in audit.frames:
        yield from _read_labelers(audit, layout)


def _read_labelers(audit: Audit, layout: Layout) -> Iterator[Defect]:
    """Count and check the labels of other labelers; each defect names its labeler."""
    others = [name for name, path in layout.labelers.items() if path != layout.find_labels("train")]
    for labeler in others:
        try:
            frame = layout.read("train", labeler)
        except UserError as error:
            yield as_defect("table", error)
            continue
        audit.counts["train"].setdefault("labels_by_labeler", {})[labeler] = count_labels(frame)
        for defect in consistency.find_contradictions(frame, layout.restore, by_labeler=layout.by_labeler):
            yield replace(defect, where=f"{labeler}: {defect.where}")


def _check_empty(audit: Audit, layout: Layout, split: str) -> Defect:
    """A table of its own lost its rows; one of several splits may be a part that has none of this split."""
    text = (f"no row of {split}", "restore the table")
    if layout.variant == "plus" or layout.origin != "CheXpert":
        return warn("table", str(layout.tables[split]), *text)
    audit.unread.append(split)
    return Defect("table", str(layout.tables[split]), *text)


def check_table(audit: Audit, split: str, frame: pd.DataFrame) -> Iterator[Defect]:
    """Compare a split with the published totals, and its labels with each other."""
    counts, layout = audit.counts[split], audit.layout
    if layout is None:
        return
    if layout.origin == "CheXpert" and layout.variant != "plus":  # no totals known
        whole = consistency.is_whole(counts, split)
        yield from consistency.compare_published(counts, split)
        counts["published"] = PUBLISHED[split] if whole else None
    yield from consistency.find_contradictions(frame, layout.restore, by_labeler=layout.by_labeler)
    if split == "train":
        scarce = consistency.find_scarce_labels(frame, by_labeler=layout.by_labeler)
        yield from (defect for defect in scarce if defect.where not in layout.absent)
