"""A comparison of models in words and as a table; every figure with its interval, and the yardstick above."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.report.evaluation import describe_level, format_figure

LEVEL = 0.05


def describe_comparison(content: Mapping[str, Any]) -> str:
    """The ranked table and what must be known to read it."""
    header, *rows = ranking(content)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows)]
    smaller = ["  ".join(row) for row in (*reader_rows(content), *setting_lines(content))]
    return "\n".join([describe_yardstick(content), *table, *describe_notes(content), *smaller])


def describe_yardstick(content: Mapping[str, Any]) -> str:
    """What was compared, on which rows, judged by what, and how the intervals were made."""
    split = f"{content['split']} split, " if content["split"] else ""
    figure = "mean AUROC" if content["by"] == "auroc_mean" else f"AUROC of {content['by']}"
    over = content["models"][0]["over"]
    of = f" over {len(over)} ({', '.join(over)})" if content["by"] == "auroc_mean" else ""
    labels = f", labels of {' and '.join(content['labels_of'])}" if content["labels_of"] else ""
    bootstrap = content["bootstrap"]
    return (
        f"{figure}{of}, {split}{describe_level(content)}{labels}, n = {content['n']:,} that all have, "
        f"[95 % interval, {bootstrap['replicates']:,} drawings of {content['studies']:,} studies, the same for all]"
    )


def name_apart(names: Sequence[str]) -> dict[str, str]:
    """Paths without what is above the folder that all lie in; other names as they are.

    >>> name_apart(["outputs/sweep/3", "outputs/sweep/4"])
    {'outputs/sweep/3': 'sweep/3', 'outputs/sweep/4': 'sweep/4'}
    >>> name_apart(["outputs/run", "team"])
    {'outputs/run': 'outputs/run', 'team': 'team'}
    """
    try:
        shared = Path(os.path.commonpath([Path(name).parent for name in names])).parent
    except ValueError:  # absolute and relative ones
        return {name: name for name in names}
    return {name: str(Path(name).relative_to(shared)) for name in names}


def name_all(content: Mapping[str, Any]) -> dict[str, str]:
    """Names to show, of the models and of those that could not be compared."""
    return name_apart([one["name"] for one in (*content["models"], *content["absent"])])


def ranking(content: Mapping[str, Any]) -> list[list[str]]:
    """Header and rows of the table of models."""
    shown = name_all(content)
    reference = next(model["name"] for model in content["models"] if model["reference"])
    epochs = any(model.get("epoch_chosen_on") for model in content["models"])
    header = ["rank", "model", "figure", f"{shown[reference]} has more", "p", "p (Holm)"]
    rows = [header + ["epoch chosen on"] * epochs]
    for place, model in enumerate(content["models"], start=1):
        more = model["reference_has_more"]
        told = [format_figure(more), format_p(more["p"]), format_p(more["p_holm"])]
        cells = [str(place), shown[model["name"]], format_figure(model["figure"])]
        cells += ["", "", ""] if model["reference"] else told
        rows.append(cells + [model.get("epoch_chosen_on") or "-"] * epochs)
    return rows


def format_p(p: float | None) -> str:
    """A p value; undefined is a dash.

    >>> format_p(0.0312), format_p(1e-9), format_p(None)
    ('0.031', '< 0.001', '-')
    """
    if p is None or math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def describe_notes(content: Mapping[str, Any]) -> Iterator[str]:
    """What must be known to read the table."""
    shown = name_all(content)
    yield from describe_differences(content["models"], shown)
    yield from _left_out(content, shown)
    for model in content["models"]:
        if model.get("epoch_chosen_on") and model["epoch_chosen_on"] == content["split"]:
            yield f"{shown[model['name']]}: its epoch was chosen on these rows: optimistic"
    for group in content["configurations"]:
        runs = ", ".join(shown[name] for name in group["runs"])
        yield (
            f"one configuration, {group['n']} seeds or folds: mean {group['mean']:.3f}, sd {group['sd']:.3f}, "
            f"{group['low']:.3f} to {group['high']:.3f} ({runs}); the spread of training, no interval over patients"
        )
    for one in content["absent"]:
        yield f"not compared: {shown[one['name']]}, {one['state']}: {one['why']}"
    for name, rank in content.get("ranks", {}).items():
        ends = f"95 % interval {rank['ci_low']} to {rank['ci_high']}"
        yield f"rank of {shown[name]}: {rank['value']} of {rank['of']}, {ends}"
    for name, judged in content.get("readers", {}).items():
        if judged["readers"]:
            told = f"{judged['below_mean']:.1f} of {judged['readers']} on average over the observations"
            yield f"readers below the ROC curve of {shown[name]}: {told}"


def describe_differences(models: Sequence[Mapping[str, Any]], shown: Mapping[str, str]) -> Iterator[str]:
    """How the p values were made, and which models are not told apart from the reference."""
    others = [model for model in models if not model["reference"]]
    if not others:
        return
    reference = next(shown[model["name"]] for model in models if model["reference"])
    held = "the comparison" if len(others) == 1 else f"all {len(others)} comparisons at once"
    yield f"p: two-sided, paired, of no difference from {reference}; Holm's holds for {held}"
    ps = {shown[model["name"]]: model["reference_has_more"]["p_holm"] for model in others}
    near = [name for name, p in ps.items() if p is None or math.isnan(p) or p >= LEVEL]
    yield f"not told apart from {reference} (Holm's p of .05 or more): {', '.join(near) or 'none'}"
    if models[0]["reference"] and len(others) > 1:
        yield "the best of several is best partly by chance"


def _left_out(content: Mapping[str, Any], shown: Mapping[str, str]) -> Iterator[str]:
    for model in content["models"]:
        if model["left_out"]:
            yield f"left out of {shown[model['name']]}: {model['left_out']} rows that not all have, or without a label"
    if content["labels_left_out"]:
        yield f"left out of the labels: {content['labels_left_out']} rows that not all models have"


def reader_rows(content: Mapping[str, Any]) -> Iterator[list[str]]:
    """Each reader's sensitivity and specificity by observation, and on which side of the curve they lie."""
    shown = name_all(content)
    for name, judged in content.get("readers", {}).items():
        for reader, points in judged["points"].items():
            for observation, point in points.items():
                if point["below"] is not None:
                    side = "below" if point["below"] else "not below"
                    pair = f"{point['sensitivity']:.2f} / {point['specificity']:.2f}"
                    yield [f"reader {reader}", observation, pair, f"{side} the curve of {shown[name]}"]


def setting_rows(content: Mapping[str, Any]) -> list[list[str]]:
    """Header and rows of the settings in which the runs differ; blank where a run has none of that name."""
    keys, shown = content["differing_settings"], name_all(content)
    rows = [
        [shown[model["name"]], *(show(model["settings"][key]) if key in model["settings"] else "" for key in keys)]
        for model in content["models"]
        if model["settings"] and keys
    ]
    return [["model", *keys], *rows] if rows else []


def setting_lines(content: Mapping[str, Any]) -> Iterator[list[str]]:
    """The same, a line a run: key=value."""
    (_, *keys), *rows = setting_rows(content) or [[""]]
    for name, *values in rows:
        yield [name, *(f"{key}={value}" for key, value in zip(keys, values, strict=True) if value)]


def show(value: Any) -> str:
    """A setting as YAML would spell it."""
    return json.dumps(value) if value is None or isinstance(value, bool | list) else str(value)
