"""The tables of a comparison of explainers: header and rows of texts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chexpert.report.text.comparison_tables import Table, name_apart
from chexpert.report.text.values import format_interval, format_short, is_undefined

DIGITS = {"relevance_over_area": 1}
LEVEL = 0.05
"""A difference whose p is lower has a star."""


def name_models(content: Mapping[str, Any]) -> list[str]:
    """Return the names of the models: their folders, and their networks where they are known."""
    shown = name_apart([folder for model in content["models"] for folder in model["folders"]])
    names = [" + ".join(shown[folder] for folder in model["folders"]) for model in content["models"]]
    networks = [model["network"] for model in content["models"]]
    return [f"{name} ({network})" if network else name for name, network in zip(names, networks, strict=True)]


def list_defined(content: Mapping[str, Any]) -> list[str]:
    """Return the metrics that an explainer of some model has."""
    means = [
        metrics
        for model in content["models"]
        for one in model["explainers"]
        for metrics in (one["mean"], *one["observations"].values())
    ]
    return [key for key in content["metrics"] if any(not is_undefined(own[key]["value"]) for own in means)]


def mean_table(model: Mapping[str, Any], content: Mapping[str, Any]) -> Table:
    """Return the means over observations, the best explainer first."""
    return _tabulate("mean over observations", model, content, lambda one: one["mean"])


def observation_tables(model: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the metrics of each observation that was scored."""
    for name in model["observations"]:
        table = _tabulate(name, model, content, lambda one, name=name: one["observations"].get(name))
        if any(cell != "-" for row in table[1:] for cell in row[1:]):
            yield table


def _tabulate(title: str, model: Mapping[str, Any], content: Mapping[str, Any], get: Any) -> Table:
    keys = list_defined(content)
    rows = [
        [_name(one), *(format_interval(own[key], DIGITS.get(key, 2)) if (own := get(one)) else "-" for key in keys)]
        for one in model["explainers"]
    ]
    return [[title, *(content["metrics"][key]["name"] for key in keys)], *rows]


def _name(explainer: Mapping[str, Any]) -> str:
    return f"{explainer['name']} (control)" if explainer["control"] else str(explainer["name"])


def cost_table(model: Mapping[str, Any]) -> Table:
    """Return the mean rank and the cost of each explainer."""
    rows = [
        [
            _name(one),
            format_short(one["mean_rank"]),
            format_number(one["cost"]["seconds_per_map"]),
            format_passes(one["cost"]),
            format_memory(one["cost"]),
            format_number(one["views"]),
        ]
        for one in model["explainers"]
    ]
    return [["rank and cost", "mean rank", "seconds a map", "passes a map", "peak memory", "views"], *rows]


def format_memory(cost: Mapping[str, Any]) -> str:
    """Format the peak of a GPU's tensors, else that of the whole process.

    >>> format_memory({"peak_memory_mib": {"process": 812.4, "device": None}})
    '812 MiB process'
    """
    peaks = cost["peak_memory_mib"]
    kind = next((kind for kind in ("device", "process") if peaks.get(kind) is not None), None)
    return f"{peaks[kind]:.0f} MiB {kind}" if kind else "-"


def format_passes(cost: Mapping[str, Any]) -> str:
    """Format the planned forward passes of a map.

    >>> format_passes({"passes_per_map": 1000, "passes_at_most": True})
    'at most 1000'
    """
    passes = format_number(cost["passes_per_map"])
    return f"at most {passes}" if cost["passes_at_most"] and passes != "-" else passes


def format_number(value: float | None) -> str:
    """Format a number by three digits that count.

    >>> format_number(0.01234), format_number(1000), format_number(None)
    ('0.0123', '1000', '-')
    """
    if value is None or is_undefined(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def difference_table(model: Mapping[str, Any], content: Mapping[str, Any]) -> Table:
    """Return the paired differences of the means over observations from the first explainer of the table."""
    keys, best = list_defined(content), model["explainers"][0]["name"]
    rows = [
        [_name(one), *(_format_difference(model, key, one["name"], best) for key in keys)]
        for one in model["explainers"][1:]
    ]
    header = [f"less {best}", *(content["metrics"][key]["name"] for key in keys)]
    return [header, *rows] if model["differences"] and rows else []


def _format_difference(model: Mapping[str, Any], key: str, first: str, second: str) -> str:
    found = find_difference(model, key, first, second)
    if not found:
        return "-"
    star = "*" if not is_undefined(found["p_holm"]) and found["p_holm"] < LEVEL else ""
    return f"{format_interval(found, DIGITS.get(key, 2))}{star}"


def find_difference(model: Mapping[str, Any], key: str, first: str, second: str) -> dict[str, Any] | None:
    """Return the difference of two explainers' means over observations, whichever of them is stored first."""
    for one in model["differences"]:
        if one["metric"] == key and one["observation"] is None:
            if (one["first"], one["second"]) == (first, second):
                return dict(one)
            if (one["first"], one["second"]) == (second, first):
                ends = {"ci_low": _negate(one["ci_high"]), "ci_high": _negate(one["ci_low"])}
                return {**one, "first": first, "second": second, "value": -one["value"], **ends}
    return None


def _negate(value: float | None) -> float | None:
    return None if value is None else -value


def tau_table(model: Mapping[str, Any], content: Mapping[str, Any]) -> Table:
    """Return Kendall's tau between the rankings by each two metrics; none of fewer than three explainers."""
    rankings = model["rankings"]
    if not rankings["pairs"]:
        return []
    taus = {frozenset((pair["first"], pair["second"])): pair["tau"] for pair in rankings["pairs"]}
    names = {key: content["metrics"][key]["name"] for key in rankings["metrics"]}
    rows = [
        [name, *(format_short(1.0 if key == other else taus[frozenset((key, other))]) for other in names)]
        for key, name in names.items()
    ]
    return [["Kendall's tau", *names.values()], *rows]


def describe_rankings(model: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Describe in one or two sentences how far the rankings agree."""
    rankings, names = model["rankings"], {key: one["name"] for key, one in content["metrics"].items()}
    ranked = ", ".join(names[key] for key in rankings["metrics"])
    mean = f"The mean rank is an aggregate over {ranked}." if ranked else "No metric is defined for all explainers."
    if not rankings["defined"]:
        few = "fewer than three explainers" if rankings["explainers"] < 3 else "no two metrics rank them"
        return f"Agreement of the rankings: not computed, {few}. {mean}"
    low = rankings["lowest"]
    return (
        f"Agreement of the rankings of {rankings['explainers']} explainers: of {rankings['defined']} pairs of metrics "
        f"{rankings['opposed']} have a tau below 0; the median is {format_short(rankings['median'])}, the lowest "
        f"{format_short(low['tau'])}, of {names[low['first']]} and {names[low['second']]}. {mean}"
    )


def published_table(content: Mapping[str, Any], observations: Sequence[str] = ()) -> Table:
    """Return the published rows: their means, and their values by observation where these are asked for."""
    names = {key: one["name"] for key, one in content["metrics"].items()}
    rows = [
        [
            f"{row['kind']}: {row['model']}, {row['explainer']}",
            names[row["metric"]] + (f", {row['cases']}" if "cases" in row else ""),
            format_short(row["mean"], 3),
            *(format_short(row["values"].get(name, math.nan), 3) for name in observations),
        ]
        for row in content["published"]["rows"]
    ]
    return [["published", "metric", "mean", *observations], *rows]


def pack(table: Table, width: int = 120) -> list[Table]:
    """Split a table into tables that are narrow enough, each with the first column.

    >>> pack([["a", "bbbb", "cccc"], ["1", "2", "3"]], width=9)
    [[['a', 'bbbb'], ['1', '2']], [['a', 'cccc'], ['1', '3']]]
    """
    widths = [max(map(len, column)) + 2 for column in zip(*table, strict=True)]
    blocks: list[list[int]] = [[]]
    for place, own in enumerate(widths[1:], start=1):
        if blocks[-1] and widths[0] + sum(widths[one] for one in blocks[-1]) + own - 2 > width:
            blocks.append([])
        blocks[-1].append(place)
    return [[[row[0], *(row[place] for place in block)] for row in table] for block in blocks]
