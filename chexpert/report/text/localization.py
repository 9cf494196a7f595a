"""The table of chexpert localize as plain text."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.observations import OUTSIDE

METRICS = {"miou": "mIoU", "miou_all": "mIoU, all images", "hit_rate": "hit rate"}


def describe_localization(table: Mapping[str, Mapping[str, Any]]) -> str:
    """Describe localization metrics: one line for each observation, notes below.

    Each metric has its 95 % interval and the number of images that it is the mean over. Observations without a map
    have no line, but a note.

    Args:
        table: metrics by observation, as :func:`chexpert.metrics.localization.chexlocalize.localize` returns them.

    Returns:
        Lines of text, the header first.
    """
    bare = [name for name, row in table.items() if row.get("maps") == 0]
    mapped = {name: row for name, row in table.items() if name not in bare}
    heads = "".join(f"{head:<20}   n  " for head in METRICS.values())
    lines = [f"{'':<28}{heads}chance  segmented"]
    for name, row in mapped.items():
        cells = "".join(_cell(row, metric) for metric in METRICS)
        lines.append(f"{name:<28}{cells}{_chance(row['chance'])}  {_settings(row)}".rstrip())
    more = [name for name in mapped if name in OUTSIDE]
    notes = [f"note: no maps: {', '.join(bare)}"] if bare else []
    notes += [f"note: not among the ten of CheXlocalize: {', '.join(more)}"] if more else []
    return "\n".join([*lines, *notes, *_notes(mapped)])


def _cell(row: Mapping[str, Any], metric: str) -> str:
    prefix = "" if metric == "miou" else f"{metric}_"
    value, images = row[metric], row[f"{prefix}images"]
    if value is None or math.isnan(value):
        return f"{'    -':<20}{images:>4}  "
    return f"{value:.3f} [{row[f'{prefix}ci_low']:.3f}, {row[f'{prefix}ci_high']:.3f}]{images:>4}  "


def _chance(value: float | None) -> str:
    return f"{'-':>6}" if value is None or math.isnan(value) else f"{value:>6.3f}"


def _settings(row: Mapping[str, Any]) -> str:
    threshold, cutoff = row["threshold"], row["probability_cutoff"]
    if threshold is None:
        return "as given"
    above = "Otsu" if threshold == "otsu" else f"> {threshold:.6g}"
    return f"{above}, p >= {cutoff}" if cutoff else above


def _notes(table: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, row in table.items():
        if row.get("tuned_images") == 0:
            yield f"note: {name}: nothing to tune on; the first candidate was taken"
        if count := row.get("without_map"):
            yield f"note: {name}: {count} of {row['masks']} masks have no map, counted as misses"
        if count := row.get("constant_maps"):
            yield f"note: {name}: {count} constant map{'s' * (count > 1)}: no peak, not in the hit rate"
        for metric, head in METRICS.items():
            prefix = "" if metric == "miou" else f"{metric}_"
            if (count := row[f"{prefix}undefined_replicates"]) and row[f"{prefix}images"]:
                yield f"note: {name}, {head}: replicates without any of its images, left out: {count}"
    if any(row.get("tuned_images") is not None for row in table.values()):
        row = next(iter(table.values()))
        yield f"tuned on: {row['tuned_on']}"
        if row.get("tuned_by"):
            yield f"thresholds tried: {row['tuned_by']}"
