"""An external data set in words: which of its labels is which observation, and what a split of it holds."""

from collections.abc import Iterator

from chexpert.data.sources.external.export import ExportedSplit
from chexpert.data.sources.external.external_set import ExternalSet
from chexpert.data.sources.external.layout import ExternalLayout


def list_mapping(data_set: ExternalSet) -> list[tuple[str, str, str]]:
    """Return a row for each label, its counterpart and the reason; then one for each observation without a label."""
    table = data_set.table
    rows = [(label, own.observation or "none", own.why) for label, own in table.counterparts.items()]
    return rows + [("none", name, table.reasons.get(name, "not labeled")) for name in table.absent]


def describe_mapping(data_set: ExternalSet) -> Iterator[str]:
    """Yield the lines of a table of the mapping."""
    rows = [("label", "observation", ""), *list_mapping(data_set)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    yield data_set.name
    for label, observation, why in rows:
        yield f"  {label:<{widths[0]}}  {observation:<{widths[1]}}  {why}".rstrip()


def describe_split(layout: ExternalLayout, name: str, split: ExportedSplit) -> Iterator[str]:
    """Yield what was written of a split, and what was left out."""
    frame = split.frame
    yield f"splits: {layout.data_set.split_note}"
    yield (
        f"{name}: {len(frame):,} of {split.listed:,} views, {frame['patient'].nunique():,} patients"
        f"{'' if split.masks else '; no boxes'}"
    )
    if split.masks:
        masks = sum(map(len, split.masks.values()))
        yield f"boxes: {masks:,} masks on {len(split.masks):,} views"
    for label, count in split.aside.items():
        yield f"boxes left out: {count:,} of {label}, which has no counterpart"
    yield f"not labeled, so not evaluated: {', '.join(layout.absent) or 'none'}"
