"""What is wrong with a copy of an external data set: its own counts against the published ones."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from chexpert.data.audit.defect import Defect, as_defect, warn
from chexpert.data.sources.external import ExternalLayout
from chexpert.data.sources.external.external_set import SourceRows
from chexpert.errors import UserError

WHOLE = 0.01
"""Share by which the images of a whole copy may differ from the published number."""


def count_rows(rows: SourceRows) -> dict[str, Any]:
    """Count what a data set publishes: images, studies, patients, views, sex, splits, and its labels by state.

    Returns:
        ``labels``: {label: number of positives}; ``uncertain_labels`` likewise, of labels that have some.
    """
    frame = rows.frame
    official = frame["split"].replace({"train": "train and valid", "valid": "train and valid"})
    uncertain = {label: int((values == -1).sum()) for label, values in rows.labels.items()}
    return {
        "images": len(frame),
        "studies": len(frame[["patient", "study"]].drop_duplicates()),
        "patients": int(frame["patient"].nunique()),
        "views": _count(frame["projection"]),
        "sex": _count(frame["sex"]),
        "splits": _count(official) | _count(frame["split"]),
        "labels": {label: int((values == 1).sum()) for label, values in rows.labels.items()},
        "uncertain_labels": {label: count for label, count in uncertain.items() if count},
    }


def find_differences(
    counts: Mapping[str, Any], published: Mapping[str, Any], name: str = ""
) -> Iterator[tuple[str, int]]:
    """Yield each published count that differs, and by how much."""
    for key, value in published.items():
        own, called = counts.get(key), f"{name}, {key}" if name else key
        if isinstance(value, Mapping):
            yield from find_differences(own or {}, value, called)
        elif own != value:
            yield f"{called}: {own or 0:,}, published {value:,}", abs((own or 0) - value)


def check_external(layout: ExternalLayout, found: dict[str, Any]) -> Iterator[Defect]:
    """Put the counts of a copy into ``found``; yield where a whole copy differs from the published ones."""
    published = layout.data_set.published
    try:
        counts = count_rows(layout.read_rows())
    except UserError as error:
        yield as_defect("table", error)
        return
    whole = bool(published) and bool(np.isclose(counts["images"], published["images"], rtol=WHOLE))
    found |= {
        "variant": layout.variant,
        "counts": counts,
        "published": dict(published) if whole else None,
        "not_labeled": list(layout.absent),
        "without_counterpart": list(layout.data_set.table.unmatched),
    }
    where = str(next(iter(layout.sources.values())))
    if whole:
        hint = layout.restore
        for text, difference in find_differences(counts, published):
            small = difference <= layout.data_set.tolerance
            yield warn("counts", where, text, hint) if small else Defect("counts", where, text, hint)
    elif published:
        message = f"not the whole {layout.name}: {counts['images']:,} of {published['images']:,} images"
        yield warn("counts", where, message, "if the whole one is meant, the table is cut: restore it")
    try:
        frame = layout.read_rows().frame
        boxes = layout.data_set.read_boxes(layout.folder, layout.sources, frame)
        found["boxes"] = {"boxes": len(boxes), "images": len({box.path for box in boxes})}
    except UserError as error:
        yield as_defect("boxes", error)


def _count(column: Any) -> dict[str, int]:
    return {str(value or "not given"): int(count) for value, count in column.value_counts().sort_index().items()}
