"""A comparison of models as CSV, Markdown, a page and JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.report.figures.forest import Row, plot_forest
from chexpert.report.html import render_page
from chexpert.report.names import HIDDEN, hide_override, hide_value, names_file
from chexpert.report.text.comparison import describe_evaluation_setting, describe_notes
from chexpert.report.text.comparison_tables import (
    auroc_table,
    name_all,
    name_folders,
    ranking,
    reader_tables,
    setting_rows,
    show,
)
from chexpert.runs import files as run_files

FILES = ("comparison.csv", "comparison.md", "comparison.html", "comparison.json")


def write_comparison(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Write a comparison of models as CSV, Markdown, HTML and JSON.

    Files appear by their last names, and values that may name a file are hidden.

    Args:
        folder: folder of the files, made if it is missing; older files of these names are replaced.
        content: result of :func:`chexpert.evaluation.compare`.

    Returns:
        Paths of comparison.csv, comparison.md, comparison.html and comparison.json.
    """
    paths, content = [folder / name for name in FILES], export(content)
    header, *rows = list(list_metrics(content))
    run_files.write_table(paths[0], header, rows)
    paths[1].write_text(to_markdown(content), encoding="utf-8")
    paths[2].write_text(to_page(content), encoding="utf-8")
    run_files.write_json(paths[3], content)
    return paths


def export(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comparison as it may leave this machine: files by last names, a word for settings that name files."""
    shown = name_folders(content)

    def hide(one: Mapping[str, Any]) -> dict[str, Any]:
        settings = {key: hide_value(key, value) for key, value in one.get("settings", {}).items()}
        why = {"why": HIDDEN if names_file(one["why"]) else one["why"]} if "why" in one else {"settings": settings}
        words = one.get("overrides")
        return {**one, "name": shown[one["name"]], "overrides": words and list(map(hide_override, words)), **why}

    placed = {
        key: {shown[name]: own for name, own in content[key].items()} for key in ("ranks", "readers") if key in content
    }
    return {
        **content,
        **placed,
        "labels_of": [Path(name).name for name in content["labels_of"]],
        "models": list(map(hide, content["models"])),
        "absent": list(map(hide, content["absent"])),
        "synthetic": [shown[name] for name in content["synthetic"]],
        "setting_unknown": [shown[name] for name in content["setting_unknown"]],
        "configurations": [{**own, "runs": [shown[name] for name in own["runs"]]} for own in content["configurations"]],
    }


def to_page(content: Mapping[str, Any]) -> str:
    """Return the comparison as one self-contained HTML page."""
    shown, evaluation_setting = name_all(content), describe_evaluation_setting(content)
    rows = [Row(shown[model["name"]], model["figure"]) for model in content["models"]]
    metric = "mean AUROC" if content["by"] == "auroc_mean" else f"AUROC of {content['by']}"
    return render_page(
        "comparison.html",
        title="Models compared",
        evaluation_setting=evaluation_setting,
        content=content,
        shown=shown,
        ranking=ranking(content),
        forest=plot_forest(rows, f"{metric}, 95 % interval", f"{metric} of each model", "ranking"),
        notes=list(describe_notes(content)),
        readers=reader_tables(content),
        settings=setting_rows(content),
    )


def list_metrics(content: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield header and rows of the CSV: every metric in full, nothing rounded."""
    observations, keys, shown = list(content["observations"]), content["differing_settings"], name_all(content)
    ends = ("value", "ci_low", "ci_high")
    names = ["figure", *observations, "reference_has_more"]
    yield ["rank", "model", "split", "level", "n", *(f"{name} {end}" for name in names for end in ends),
           "p", "p_holm", "delong_p", "left_out", "synthetic", *keys]  # fmt: skip
    for place, model in enumerate(content["models"], start=1):
        metrics = [model["figure"], *(model["auroc"][name] for name in observations), model["reference_has_more"]]
        more = model["reference_has_more"]
        numbers = [_full(metric[end]) for metric in metrics for end in ends] + [
            _full(p) for p in (more["p"], more["p_holm"], model["delong_p"])
        ]
        settings = [show(model["settings"][key]) if key in model["settings"] else "" for key in keys]
        synthetic = str(model["name"] in content["synthetic"]).lower()
        where = [content["split"] or "", content["level"], str(content["n"])]
        yield [str(place), shown[model["name"]], *where, *numbers, str(model["left_out"]), synthetic, *settings]


def _full(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(float(value))


def to_markdown(content: Mapping[str, Any]) -> str:
    """Return the comparison in Markdown, for a README or an issue."""
    lines = [
        "# Models compared",
        "",
        _escape(describe_evaluation_setting(content)),
        "",
        *markdown_table(ranking(content)),
        "",
    ]
    lines += [f"- {_escape(note)}" for note in describe_notes(content)]
    tables = {
        "AUROC by observation": [auroc_table(content)],
        "Readers: sensitivity / specificity": reader_tables(content),
        "Settings that differ": [setting_rows(content)],
    }
    for title, found in tables.items():
        for table in filter(None, found):
            lines += ["", f"## {title}", "", *markdown_table(table)]
    return "\n".join([*lines, "", "Not a medical device: for research only.", ""])


def markdown_table(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    header, *rows = table
    for cells in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(map(_escape, cells)) + " |"


def _escape(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").splitlines())
