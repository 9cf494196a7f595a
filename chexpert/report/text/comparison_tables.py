"""The tables of a comparison of models: header and rows of texts."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.report.names import name_runs
from chexpert.report.text.values import format_value

Table = list[list[str]]


def name_apart(names: Sequence[str]) -> dict[str, str]:
    """Return paths without the folders above the one that they share; other names stay as they are.

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


def name_folders(content: Mapping[str, Any]) -> dict[str, str]:
    """Return short and distinct names of the models' files, and of those that could not be compared."""
    return name_apart([one["name"] for one in (*content["models"], *content["absent"])])


def name_all(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the names to show: for a run its overrides and its folder, if it has them."""
    folders = name_folders(content)
    runs = list_runs(content)
    names = name_runs([one["overrides"] for one in runs])
    return folders | {one["name"]: f"{name} ({folders[one['name']]})" for one, name in zip(runs, names, strict=True)}


def list_runs(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the runs whose overrides are known."""
    return [one for one in (*content["models"], *content["absent"]) if one.get("overrides") is not None]


def ranking(content: Mapping[str, Any]) -> Table:
    """Return header and rows of the table of models."""
    shown = name_all(content)
    reference = next(model["name"] for model in content["models"] if model["reference"])
    epochs = any(model.get("epoch_chosen_on") for model in content["models"])
    alone = len(content["models"]) == 1
    header = ["rank", "model", "value"] + ([] if alone else [f"{shown[reference]} has more", "p", "p (Holm)"])
    rows = [header + ["epoch chosen on"] * epochs]
    for place, model in enumerate(content["models"], start=1):
        more = model["reference_has_more"]
        difference = [format_value(more), format_p(more["p"]), format_p(more["p_holm"])]
        cells = [str(place), shown[model["name"]], format_value(model["figure"])]
        cells += [] if alone else ["", "", ""] if model["reference"] else difference
        rows.append(cells + [model.get("epoch_chosen_on") or "-"] * epochs)
    return rows


def format_p(p: float | None) -> str:
    """Format a p value; undefined is a dash.

    >>> format_p(0.0312), format_p(1e-9), format_p(None)
    ('0.031', '< 0.001', '-')
    """
    if p is None or math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def auroc_table(content: Mapping[str, Any]) -> Table:
    """Return header and rows of the AUROCs of each observation, in the order of the ranking."""
    shown, names = name_all(content), list(content["observations"])
    rows = [
        [shown[model["name"]], *(format_value(model["auroc"][name]) for name in names)] for model in content["models"]
    ]
    return [["AUROC", *names], *rows]


def reader_tables(content: Mapping[str, Any]) -> list[Table]:
    """Return a table of the readers for each placed model: sensitivity / specificity, and if below its ROC curve."""
    shown, names = name_all(content), list(content["observations"])
    tables = []
    for model, readers in content.get("readers", {}).items():
        rows = [
            [reader, *(_describe_point(points.get(name)) for name in names)]
            for reader, points in readers["points"].items()
        ]
        count = [f"{readers['below'][name]} of {readers['readers']}" for name in names]
        header = [f"reader, against {shown[model]}", *names]
        tables += [[header, *rows, ["below the ROC curve", *count]]] if rows else []
    return tables


def _describe_point(point: Mapping[str, Any] | None) -> str:
    if not point or point["below"] is None:
        return "-"
    return f"{point['sensitivity']:.2f} / {point['specificity']:.2f}{' below' if point['below'] else ''}"


def setting_rows(content: Mapping[str, Any]) -> Table:
    """Return header and rows of the settings in which the runs differ; blank where a run has none of that name."""
    keys, shown = content["differing_settings"], name_all(content)
    rows = [
        [shown[model["name"]], *(show(model["settings"][key]) if key in model["settings"] else "" for key in keys)]
        for model in content["models"]
        if model["settings"] and keys
    ]
    return [["model", *keys], *rows] if rows else []


def show(value: Any) -> str:
    """Format a setting as YAML would spell it."""
    return json.dumps(value) if value is None or isinstance(value, bool | list) else str(value)


def align(table: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with the cells beneath each other.

    >>> align([["a", "b"], ["long", "c"]])
    ['a     b', 'long  c']
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
