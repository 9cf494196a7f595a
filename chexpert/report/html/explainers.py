"""A comparison of explainers as CSV, a page and JSON."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.report.html.render import render_page
from chexpert.report.names import hide_settings
from chexpert.report.text.comparison_tables import format_p, name_apart
from chexpert.report.text.explainer_tables import (
    cost_table,
    describe_rankings,
    difference_table,
    list_defined,
    name_models,
    published_table,
    tau_table,
)
from chexpert.report.text.explainers import describe_card, describe_intervals, describe_notes, describe_views
from chexpert.report.text.values import format_interval, is_undefined
from chexpert.runs import files as run_files

FILES = ("explainers.csv", "differences.csv", "explainers.html", "explainers.json")
ENDS = ("value", "ci_low", "ci_high", "n")
MEAN = "mean over observations"


def write_explainers(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Write a comparison of explainers as CSV, HTML and JSON.

    Folders appear by their last names.

    Args:
        folder: folder of the files, made if it is missing; older files of these names are replaced.
        content: result of :func:`chexpert.evaluation.explainers.compare_explainers`.

    Returns:
        Paths of explainers.csv, differences.csv, explainers.html and explainers.json.
    """
    paths, content = [folder / name for name in FILES], export(content)
    for path, rows in zip(paths, (list_values(content), list_differences(content)), strict=False):
        header, *rest = rows
        run_files.write_table(path, header, rest)
    run_files.write_text(paths[2], to_page(content))
    run_files.write_json(paths[3], content)
    return paths


def export(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comparison as it may leave this machine: folders by their last names, no files in settings."""
    shown = name_apart([folder for model in content["models"] for folder in model["folders"]])
    last = {folder: short if not Path(short).is_absolute() else Path(short).name for folder, short in shown.items()}
    models = [
        {
            **model,
            "folders": [last[folder] for folder in model["folders"]],
            "explainers": [_hide(one) | {"folder": last[one["folder"]]} for one in model["explainers"]],
        }
        for model in content["models"]
    ]
    return {**content, "models": models}


def _hide(explainer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an explainer with a word in place of each hyperparameter that may name a file."""
    card = explainer["card"]
    return {**explainer, "card": {**card, "hyperparameters": hide_settings(card["hyperparameters"])}}


def to_page(content: Mapping[str, Any]) -> str:
    """Return the comparison as one self-contained HTML page."""
    models = [
        _describe_parts(number, name, model, content)
        for number, (name, model) in enumerate(zip(name_models(content), content["models"], strict=True))
    ]
    published = content["published"]
    names = list(dict.fromkeys(name for row in published["rows"] for name in row["values"]))
    return render_page(
        "explainers.html",
        title="Explainers compared",
        intervals=describe_intervals(content),
        models=models,
        metrics={key: content["metrics"][key] for key in list_defined(content)},
        notes=list(describe_notes(content)),
        published=published,
        published_rows=published_table(content, names),
    )


def _describe_parts(number: int, name: str, model: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    keys = list_defined(content)
    observations = [
        observation
        for observation in model["observations"]
        if any(one["observations"].get(observation) and _has_value(one, observation) for one in model["explainers"])
    ]
    return {
        "id": f"model-{number}",
        "name": name,
        "line": describe_views(model),
        "explainers": model["explainers"],
        "keys": keys,
        "observations": observations,
        "cost": cost_table(model),
        "differences": difference_table(model, content),
        "pairs": pair_table(model, content),
        "taus": tau_table(model, content),
        "rankings": describe_rankings(model, content),
        "cards": [(one, describe_card(one["card"], content)) for one in model["explainers"]],
    }


def _has_value(explainer: Mapping[str, Any], observation: str) -> bool:
    return any(not is_undefined(own["value"]) for own in explainer["observations"][observation].values())


def pair_table(model: Mapping[str, Any], content: Mapping[str, Any]) -> list[list[str]]:
    """Return every paired difference of means over observations."""
    rows = [
        [f"{one['first']} less {one['second']}", content["metrics"][one["metric"]]["name"], format_interval(one),
         str(len(one["over"])), format_p(one["p"]), format_p(one["p_holm"])]
        for one in model["differences"] if one["observation"] is None
    ]  # fmt: skip
    return [["difference", "metric", "value [95 % interval] views", "observations", "p", "p (Holm)"], *rows]


def list_values(content: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield header and rows of explainers.csv: every metric in full, nothing rounded."""
    yield ["model", "network", "explainer", "control", "observation", "metric", *ENDS, "maps"]
    for name, model in zip(name_models(content), content["models"], strict=True):
        for one in model["explainers"]:
            start = [name, model["network"] or "", one["name"], str(one["control"]).lower()]
            means = {MEAN: one["mean"], **one["observations"]}
            for observation, metrics in means.items():
                for key, own in metrics.items():
                    maps = own.get("maps", own["n"])
                    yield [*start, observation, key, *(_full(own[end]) for end in ENDS), _full(maps)]
            numbers = {"mean_rank": one["mean_rank"], **one["cost"], **one["cost"]["peak_memory_mib"]}
            for key in ("mean_rank", "seconds_per_map", "passes_per_map", "memory_limit_mib", "process", "device"):
                if not isinstance(numbers[key], str):
                    shown = f"peak_memory_mib_{key}" if key in ("process", "device") else key
                    yield [*start, "", shown, _full(numbers[key]), "", "", "", _full(one["cost"]["maps"])]


def list_differences(content: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield header and rows of differences.csv; ``n`` are the views that both explainers have."""
    yield ["model", "metric", "first", "second", "observation", *ENDS, "p", "p_holm"]
    for name, model in zip(name_models(content), content["models"], strict=True):
        for one in model["differences"]:
            names = [name, one["metric"], one["first"], one["second"], one["observation"] or MEAN]
            yield [*names, *(_full(one[end]) for end in (*ENDS, "p", "p_holm"))]


def _full(value: float | None) -> str:
    if value is None or is_undefined(value):
        return ""
    return str(value) if isinstance(value, int) else repr(float(value))
