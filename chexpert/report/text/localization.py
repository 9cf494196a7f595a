"""The table of scripts/localize.py as plain text."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

FIGURES = {"miou": "mIoU", "miou_all": "mIoU, all images", "hit_rate": "hit rate"}


def describe_localization(table: Mapping[str, Mapping[str, Any]]) -> str:
    """One line an observation: each figure with its 95 % interval and the images it is the mean over; notes below.

    Observations without a map have no line, but a note.
    """
    bare = [name for name, figures in table.items() if figures.get("maps") == 0]
    told = {name: figures for name, figures in table.items() if name not in bare}
    heads = "".join(f"{head:<20}   n  " for head in FIGURES.values())
    lines = [f"{'':<28}{heads}chance  segmented"]
    for name, figures in told.items():
        cells = "".join(_cell(figures, figure) for figure in FIGURES)
        lines.append(f"{name:<28}{cells}{_chance(figures['chance'])}  {_settings(figures)}".rstrip())
    return "\n".join([*lines, *([f"note: no maps: {', '.join(bare)}"] if bare else []), *_notes(told)])


def _cell(figures: Mapping[str, Any], figure: str) -> str:
    prefix = "" if figure == "miou" else f"{figure}_"
    value, images = figures[figure], figures[f"{prefix}images"]
    if value is None or math.isnan(value):
        return f"{'    -':<20}{images:>4}  "
    return f"{value:.3f} [{figures[f'{prefix}ci_low']:.3f}, {figures[f'{prefix}ci_high']:.3f}]{images:>4}  "


def _chance(value: float | None) -> str:
    return f"{'-':>6}" if value is None or math.isnan(value) else f"{value:>6.3f}"


def _settings(figures: Mapping[str, Any]) -> str:
    threshold, cutoff = figures["threshold"], figures["probability_cutoff"]
    if threshold is None:
        return "as given"
    above = "Otsu" if threshold == "otsu" else f"> {threshold}"
    return f"{above}, p >= {cutoff}" if cutoff else above


def _notes(table: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, figures in table.items():
        if figures.get("tuned_images") == 0:
            yield f"note: {name}: nothing to tune on; the first candidate was taken"
        if count := figures.get("without_map"):
            yield f"note: {name}: {count} of {figures['masks']} masks have no map, counted as misses"
        if count := figures.get("constant_maps"):
            yield f"note: {name}: {count} constant map{'s' * (count > 1)}: no peak, not in the hit rate"
        for figure, head in FIGURES.items():
            prefix = "" if figure == "miou" else f"{figure}_"
            if (count := figures[f"{prefix}undefined_replicates"]) and figures[f"{prefix}images"]:
                yield f"note: {name}, {head}: replicates without any of its images, left out: {count}"
    if any(figures.get("tuned_images") is not None for figures in table.values()):
        yield f"tuned on: {next(iter(table.values()))['tuned_on']}"
