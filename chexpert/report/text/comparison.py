"""Describe a comparison of models: tables of metrics with intervals, below the evaluation setting."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chexpert.evaluation import describe_level, describe_setting
from chexpert.report.names import find_common, hide_override
from chexpert.report.text.comparison_tables import (
    align,
    auroc_table,
    list_runs,
    name_all,
    ranking,
    reader_tables,
    setting_rows,
)
from chexpert.report.text.seed_spread import describe_spread
from chexpert.report.text.values import describe_resamples
from chexpert.runs.synthetic import WORDS

LEVEL = 0.05


def describe_comparison(content: Mapping[str, Any]) -> str:
    """Describe a comparison of models: the ranked table, notes on how to read it, and smaller tables.

    Args:
        content: result of :func:`chexpert.evaluation.compare`.

    Returns:
        Lines of text, the evaluation setting first.
    """
    lines = [describe_evaluation_setting(content), *align(ranking(content)), *describe_notes(content)]
    for table in (auroc_table(content), *reader_tables(content), setting_rows(content)):
        lines += ["", *align(table)] if table else []
    return "\n".join(lines)


def describe_evaluation_setting(content: Mapping[str, Any]) -> str:
    """Describe the metric, the rows, the labels and how the intervals were made."""
    split = f"{content['split']} split, " if content["split"] else ""
    metric = "mean AUROC" if content["by"] == "auroc_mean" else f"AUROC of {content['by']}"
    over = content["models"][0]["over"]
    of = f" over {len(over)} ({', '.join(over)})" if content["by"] == "auroc_mean" else ""
    labels = f", labels of {' and '.join(content['labels_of'])}" if content["labels_of"] else ""
    synthetic = f"{WORDS}, " if len(content["synthetic"]) == len(content["models"]) else ""
    return (
        f"{metric}{of}, {synthetic}{split}{describe_rows(content)}{labels}, n = {content['n']:,} that all have, "
        f"[95 % interval, {describe_resamples(content)}, the same for all]"
    )


def describe_rows(content: Mapping[str, Any]) -> str:
    """Describe the level and the images: "studies (max over frontal views)", "all images"."""
    if content["level"] == "study":
        return describe_setting("studies", content)
    return f"{content['images']} images" if content["images"] else describe_level(content)


def describe_notes(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the notes that a reader of the table must know."""
    shown = name_all(content)
    if common := find_common([one["overrides"] for one in list_runs(content)]):
        yield f"in common: {', '.join(map(hide_override, common))}"
    yield from describe_differences(content["models"], shown)
    yield from _list_unknown(content, shown)
    yield from _left_out(content, shown)
    for model in content["models"]:
        if model.get("epoch_chosen_on") and model["epoch_chosen_on"] == content["split"]:
            yield f"{shown[model['name']]}: its epoch was chosen on these rows: optimistic"
    if 0 < len(content["synthetic"]) < len(content["models"]):
        yield f"{WORDS}, and not those of the others: {', '.join(shown[name] for name in content['synthetic'])}"
    yield from describe_spread(content["configurations"], content["tie"], shown)
    for one in content["absent"]:
        yield f"not compared: {shown[one['name']]}, {one['state']}: {one['why']}"
    for name, rank in content.get("ranks", {}).items():
        place = f"{rank['value']} of {rank['of']}, 95 % interval {rank['ci_low']} to {rank['ci_high']}"
        yield f"rank of {shown[name]}: {place if content['models'][0]['over'] else 'no AUROC is defined'}"
    for name, readers in content.get("readers", {}).items():
        if readers["readers"]:
            below = f"{readers['below_mean']:.1f} of {readers['readers']} on average over the observations"
            yield f"readers below the ROC curve of {shown[name]}: {below}"


def describe_differences(models: Sequence[Mapping[str, Any]], shown: Mapping[str, str]) -> Iterator[str]:
    """Describe the p values, and list the models that do not differ significantly from the reference."""
    others = [model for model in models if not model["reference"]]
    if not others:
        return
    reference = next(shown[model["name"]] for model in models if model["reference"])
    held = "the comparison" if len(others) == 1 else f"all {len(others)} comparisons at once"
    yield f"p: two-sided, paired, of no difference from {reference}; Holm's holds for {held}"
    ps = {shown[model["name"]]: model["reference_has_more"]["p_holm"] for model in others}
    near = [name for name, p in ps.items() if p is None or math.isnan(p) or p >= LEVEL]
    yield f"no significant difference from {reference} (Holm's p of .05 or more): {', '.join(near) or 'none'}"
    if models[0]["reference"] and len(others) > 1:
        yield "the best of several is best partly by chance"


def _list_unknown(content: Mapping[str, Any], shown: Mapping[str, str]) -> Iterator[str]:
    """Name the files whose evaluation setting is not known; of a leaderboard its entries are counted."""
    unknown, placed = content["setting_unknown"], content.get("ranks")
    own = [shown[name] for name in unknown if placed is None or name in placed]
    if entries := len(unknown) - len(own):
        own.append(f"{entries} entries of the leaderboard")
    if own:
        yield f"evaluation setting not known, so it may be another: {', '.join(own)}"


def _left_out(content: Mapping[str, Any], shown: Mapping[str, str]) -> Iterator[str]:
    for model in content["models"]:
        if model["left_out"]:
            yield f"left out of {shown[model['name']]}: {model['left_out']} rows that not all have, or without a label"
    if content["labels_left_out"]:
        yield f"left out of the labels: {content['labels_left_out']} rows that not all models have"
