"""A comparison of models as text, CSV, Markdown and a page; every figure with its interval, and the yardstick above."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert import rundir
from chexpert.report.evaluation import describe_level, format_figure
from chexpert.report.page import render_page

FILES = ("comparison.csv", "comparison.md", "comparison.html", "comparison.json")


def describe_comparison(content: Mapping[str, Any]) -> str:
    """The ranked table and what must be known to read it."""
    header, *rows = ranking(content)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows)]
    return "\n".join([describe_yardstick(content), *table, *describe_notes(content)])


def write_comparison(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Writes the comparison as CSV, Markdown, HTML and JSON; returns the files."""
    paths = [folder / name for name in FILES]
    header, *rows = list(list_figures(content))
    rundir.write_table(paths[0], header, rows)
    paths[1].write_text(to_markdown(content))
    told: dict[str, Any] = {
        "content": content,
        "ranking": ranking(content),
        "notes": list(describe_notes(content, tables=False)),
    }
    page = render_page("comparison.html", title="Models compared", yardstick=describe_yardstick(content), **told,
                       readers=list(reader_rows(content)), settings=list(setting_rows(content)))  # fmt: skip
    paths[2].write_text(page)
    rundir.write_json(paths[3], content)
    return paths


def describe_yardstick(content: Mapping[str, Any]) -> str:
    """What was compared, on which rows, and how the intervals were made."""
    split = f"{content['split']} split, " if content["split"] else ""
    figure = "mean AUROC" if content["by"] == "auroc_mean" else f"AUROC of {content['by']}"
    over = content["models"][0]["over"]
    of = f" over {len(over)} ({', '.join(over)})" if content["by"] == "auroc_mean" else ""
    bootstrap = content["bootstrap"]
    return (
        f"{figure}{of}, {split}{describe_level(content)}, n = {content['n']:,} that all have, "
        f"[95 % interval, {bootstrap['replicates']:,} drawings of {content['studies']:,} studies, the same for all]"
    )


def ranking(content: Mapping[str, Any]) -> list[list[str]]:
    """Header and rows of the table of models."""
    reference = next(model["name"] for model in content["models"] if model["reference"])
    epochs = any(model.get("epoch_chosen_on") for model in content["models"])
    header = ["rank", "model", "figure", f"{shorten(reference)} has more", "p", "p (Holm)"] + [
        "epoch chosen on"
    ] * epochs
    rows = [header]
    for place, model in enumerate(content["models"], start=1):
        more = model["reference_has_more"]
        cells = [str(place), model["name"], format_figure(model["figure"])]
        cells += (
            ["", "", ""] if model["reference"] else [format_figure(more), format_p(more["p"]), format_p(more["p_holm"])]
        )
        rows.append(cells + [model.get("epoch_chosen_on") or "-"] * epochs)
    return rows


def shorten(name: str) -> str:
    """The last two parts of a path.

    >>> shorten("outputs/chexpert/2026-11-25_10-00-00/3")
    '2026-11-25_10-00-00/3'
    """
    return "/".join(Path(name).parts[-2:])


def format_p(p: float | None) -> str:
    """A p value; undefined is a dash.

    >>> format_p(0.0312), format_p(1e-9), format_p(None)
    ('0.031', '< 0.001', '-')
    """
    if p is None or math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def describe_notes(content: Mapping[str, Any], *, tables: bool = True) -> Iterator[str]:
    """What must be known to read the table; ``tables``: the smaller tables as lines too."""
    others = len(content["models"]) - 1
    if others:
        held = "the comparison" if others == 1 else f"all {others} comparisons at once"
        yield f"p: two-sided, paired, of no difference from the reference; Holm's holds for {held}"
        yield "the best of several is best partly by chance"
    for model in content["models"]:
        if model["left_out"]:
            yield f"left out of {model['name']}: {model['left_out']} rows that not all others have"
        if model.get("epoch_chosen_on") and model["epoch_chosen_on"] == content["split"]:
            yield f"{model['name']}: its epoch was chosen on these rows: optimistic"
    for group in content["configurations"]:
        runs = ", ".join(map(shorten, group["runs"]))
        yield (
            f"one configuration, {group['n']} seeds or folds: mean {group['mean']:.3f}, sd {group['sd']:.3f}, "
            f"{group['low']:.3f} to {group['high']:.3f} ({runs}); the spread of training, no interval over patients"
        )
    for one in content["absent"]:
        yield f"not compared: {one['name']}, {one['state']}: {one['why']}"
    for name, rank in content.get("ranks", {}).items():
        yield f"rank of {name}: {rank['value']} of {rank['of']}, 95 % interval {rank['ci_low']} to {rank['ci_high']}"
    for name, judged in content.get("readers", {}).items():
        if judged["readers"]:
            yield f"readers below the ROC curve of {name}: {judged['below_mean']:.1f} of {judged['readers']} on average"
    if tables:
        yield from ("  ".join(row) for row in reader_rows(content))
        yield from ("  ".join(row) for row in setting_rows(content))


def reader_rows(content: Mapping[str, Any]) -> Iterator[list[str]]:
    """Each reader's sensitivity and specificity by observation, and on which side of the curve they lie."""
    for name, judged in content.get("readers", {}).items():
        for reader, points in judged["points"].items():
            for observation, point in points.items():
                if point["below"] is not None:
                    side = "below" if point["below"] else "not below"
                    pair = f"{point['sensitivity']:.2f} / {point['specificity']:.2f}"
                    yield [f"reader {reader}", observation, pair, f"{side} the curve of {shorten(name)}"]


def setting_rows(content: Mapping[str, Any]) -> Iterator[list[str]]:
    """The settings in which the runs differ, a row a run."""
    keys = content["differing_settings"]
    for model in content["models"]:
        if model["settings"] and keys:
            told = [f"{key}={_show(model['settings'][key])}" for key in keys if key in model["settings"]]
            yield [shorten(model["name"]), *told]


def _show(value: Any) -> str:
    return json.dumps(value) if value is None or isinstance(value, list) else str(value)


def list_figures(content: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Header and rows of the CSV: every figure in full, nothing rounded."""
    observations, keys = list(content["observations"]), content["differing_settings"]
    ends = ("value", "ci_low", "ci_high")
    names = ["figure", *observations, "reference_has_more"]
    yield ["rank", "model", "split", "level", "n", *(f"{name} {end}" for name in names for end in ends),
           "p", "p_holm", "left_out", *keys]  # fmt: skip
    for place, model in enumerate(content["models"], start=1):
        figures = [model["figure"], *(model["auroc"][name] for name in observations), model["reference_has_more"]]
        more = model["reference_has_more"]
        numbers = [_full(figure[end]) for figure in figures for end in ends] + [_full(more["p"]), _full(more["p_holm"])]
        settings = [_show(model["settings"][key]) if key in model["settings"] else "" for key in keys]
        where = [content["split"] or "", content["level"], str(content["n"])]
        yield [str(place), model["name"], *where, *numbers, str(model["left_out"]), *settings]


def _full(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(float(value))


def to_markdown(content: Mapping[str, Any]) -> str:
    """The comparison for a README or an issue."""
    header, *rows = ranking(content)
    lines = ["# Models compared", "", describe_yardstick(content), "", *_markdown([header, *rows]), ""]
    lines += [f"- {_escape(note)}" for note in describe_notes(content, tables=False)]
    for title, found in (
        ("Readers", list(reader_rows(content))),
        ("Settings that differ", list(setting_rows(content))),
    ):
        if found:
            lines += ["", f"## {title}", "", *(f"- {_escape('  '.join(row))}" for row in found)]
    return "\n".join([*lines, "", "Not a medical device: for research only.", ""])


def _markdown(table: Sequence[Sequence[str]]) -> Iterator[str]:
    header, *rows = table
    for cells in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(map(_escape, cells)) + " |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
