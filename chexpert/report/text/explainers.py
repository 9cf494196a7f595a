"""Describe a comparison of explainers: tables of at most 120 columns, and notes on how to read them."""

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from chexpert.report.text.comparison_tables import align
from chexpert.report.text.explainer_tables import (
    cost_table,
    describe_rankings,
    difference_table,
    format_memory,
    format_number,
    format_passes,
    list_defined,
    mean_table,
    name_models,
    observation_tables,
    pack,
    published_table,
    tau_table,
)
from chexpert.report.text.explanation_quality import describe_left_out
from chexpert.report.text.values import UNITS, is_undefined
from chexpert.runs.synthetic import NOTE

WIDTH = 120


def describe_explainers(content: Mapping[str, Any]) -> str:
    """Describe a comparison of explainers.

    Args:
        content: result of :func:`chexpert.evaluation.explainers.compare_explainers`.

    Returns:
        Lines of at most 120 characters.
    """
    lines = [describe_intervals(content)]
    for name, model in zip(name_models(content), content["models"], strict=True):
        lines += ["", f"{name}: {describe_views(model)}", *_describe_tables(model, content)]
    lines += ["", *_describe_published(content), "", *describe_notes(content), *list_meanings(content)]
    return "\n".join(part for line in lines for part in (wrap(line, WIDTH) if len(line) > WIDTH else [line]))


def describe_intervals(content: Mapping[str, Any]) -> str:
    """Describe the order of the rows, the intervals and n."""
    by = content["by"] if content["by"] not in content["metrics"] else content["metrics"][content["by"]]["name"]
    return (
        f"explainers by {by.replace('_', ' ')}; value [95 % interval] n, the number of maps, in means of observations; "
        f"intervals of means and differences by {content['bootstrap']['replicates']:,} resamples of "
        f"{UNITS[content['bootstrap']['unit']]}"
    )


def describe_views(model: Mapping[str, Any]) -> str:
    """Describe the views on which the explainers of a model were scored."""
    studies = f" of {model['studies']:,} studies" if model["studies"] else ""
    masks = "" if model["masks"] else ", without masks"
    return f"{model['views']:,} single views{studies} of the {model['split']} split{masks}"


def _describe_tables(model: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    for table in (mean_table(model, content), cost_table(model), *observation_tables(model, content)):
        for part in pack(table, WIDTH):
            yield from ["", *align(part)]
    if table := difference_table(model, content):
        yield from ["", "paired differences of the means, on n views that both have; * Holm's p below .05"]
        for part in pack(table, WIDTH):
            yield from align(part)
    if table := tau_table(model, content):
        for part in pack(table, WIDTH):
            yield from ["", *align(part)]
    yield from ["", describe_rankings(model, content)]


def _describe_published(content: Mapping[str, Any]) -> Iterator[str]:
    published = content["published"]
    yield f"for context, {published['dataset']}: {published['human']['text']}"
    yield from align(published_table(content))
    yield from published["notes"]


def describe_notes(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the notes that a reader of the tables must know."""
    models = content["models"]
    if len(models) > 1 and content["same_views"] is False:
        yield "the models were scored on different views: what differs between models is not paired, and not tested"
    elif len(models) > 1:
        yield "differences are computed between explainers of one model, not between models"
    if any(not model["differences"] for model in models):
        yield "without quality.csv, of a run of an older version or of one explainer: no differences"
    yield from _describe_means(content)
    if any(one["control"] for model in models for one in model["explainers"]):
        yield "a control does not ask the model, and is not ranked"
    yield from _describe_missing(content)
    yield "passes are those planned; integrated gradients take more where the first steps do not suffice"
    yield (
        "seconds are of each run's own machine; peak memory is of the whole process with model, images and libraries, "
        "or of the tensors on a GPU (device)"
    )
    if any(model["synthetic"] for model in models):
        yield NOTE


def _describe_missing(content: Mapping[str, Any]) -> Iterator[str]:
    """Name the explainers without scored views, and what a time budget left out."""
    models = content["models"]
    names = [f"{name}: " if len(models) > 1 else "" for name in name_models(content)]
    for name, model in zip(names, models, strict=True):
        for one in model["explainers"]:
            if one["views"] == 0:
                yield f"{name}{one['name']}: no view was scored"
        for one in model["left_out"]:
            yield f"{name}{describe_left_out(one, one['minutes'])}"


def _describe_means(content: Mapping[str, Any]) -> Iterator[str]:
    """Name the means that are over fewer observations than others of the same model."""
    for name, model in zip(name_models(content), content["models"], strict=True):
        sizes = {key: len(model["mean_over"][key]) for key in list_defined(content) if model["mean_over"][key]}
        fewer = [key for key, size in sizes.items() if size < max(sizes.values())]
        if fewer:
            listed = ", ".join(f"{content['metrics'][key]['name']} {sizes[key]}" for key in fewer)
            yield f"{name}: means over the observations that all its explainers have; fewer for {listed}"


def list_meanings(content: Mapping[str, Any]) -> list[str]:
    """Return a line for each metric of the tables."""
    return [f"{content['metrics'][key]['name']}: {content['metrics'][key]['meaning']}" for key in list_defined(content)]


def describe_card(card: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, str]:
    """Return the rows of a saliency card, by attribute."""
    cost, settings = card["cost"], card["hyperparameters"]
    return {
        "Determinism": _describe_determinism(card["determinism"]),
        "Hyperparameters": ", ".join(f"{key} {_show(own)}" for key, own in settings.items()) or "none stored",
        "Sensitivity to the input": _describe_stability(card["input_sensitivity"]),
        "Sensitivity to the label": _describe_label(card["label_sensitivity"]),
        "Sensitivity to the model": _describe_sanity(card["model_sensitivity"]),
        "Faithfulness": _list_means(card["faithfulness"], content),
        "Localizability": _list_means(card["localizability"], content),
        "Cost of a map": _describe_cost(cost),
    }


NOT_MEASURED = "not measured"


def _describe_determinism(own: Mapping[str, Any]) -> str:
    seed, depends = own["seed"], own["depends_on_seed"]
    if depends is False:
        other = "" if seed is None else f" (stored: {seed}; another one gives the same map)"
        return f"depends on no seed{other}"
    if seed is None and depends is None:
        return "no seed stored"
    found = own["seed_stability"]
    text = f"rank correlation {_value(found)}, between samples of two seeds" if found else f"other seeds {NOT_MEASURED}"
    return f"samples by a seed ({'not stored' if seed is None else seed}); {text}"


def _describe_stability(found: Mapping[str, Any] | None) -> str:
    return f"rank correlation {_value(found)}, with the map of a slightly changed image" if found else NOT_MEASURED


def _describe_label(found: Mapping[str, Any] | None) -> str:
    text = "with the view's maps of other observations; 1 would be the same map for all"
    return f"rank correlation {found['value']:.2f}, n {found['n']}, {text}" if found else NOT_MEASURED


def _describe_sanity(own: Mapping[str, Any]) -> str:
    top = own["top_block_size"]
    if not top or is_undefined(top.get("value")):
        return NOT_MEASURED
    verdict = {True: "passed", False: "failed", None: "too few maps for a verdict"}[own["passed"]]
    deeper = [("-" if one is None else f"{one:.2f}") for one in own["cascade_size"]]
    cascade = f"; block by block down to the stem {', '.join(deeper)}" if deeper else f"; deeper blocks {NOT_MEASURED}"
    return f"{verdict}: rank correlation {_value(top)}, with shuffled weights of the top block{cascade}"


def _describe_cost(cost: Mapping[str, Any]) -> str:
    parts = {
        "forward passes": format_passes(cost),
        "s": format_number(cost["seconds_per_map"]),
    }
    listed = [f"{value} {unit}" for unit, value in parts.items() if value != "-"]
    memory = format_memory(cost)
    listed += [f"peak memory {memory}"] if memory != "-" else [f"peak memory {NOT_MEASURED}"]
    limit = cost["memory_limit_mib"]
    listed += [f"limit of a pass {limit:g} MiB"] if limit is not None else []
    return ", ".join(listed + ([f"on {cost['device']}"] if cost["device"] else []))


def _list_means(means: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """List means over observations, whose n is the number of observations."""
    return ", ".join(
        f"{content['metrics'][key]['name']} {NOT_MEASURED if is_undefined(own['value']) else _value(own, 'over')}"
        for key, own in means.items()
    )


def _value(found: Mapping[str, Any], count: str = "n") -> str:
    ends = [found.get(end) for end in ("ci_low", "ci_high")]
    interval = "" if any(end is None or is_undefined(end) for end in ends) else f" [{ends[0]:.2f}, {ends[1]:.2f}]"
    comma, unit = (",", "") if count == "n" else ("", " observations")
    return f"{found['value']:.2f}{interval}{comma} {count} {found['n']}{unit}"


def _show(value: Any) -> str:
    if isinstance(value, dict) and len(value) == 1:
        return _show(next(iter(value.values())))
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key}: {_show(own)}" for key, own in value.items()) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)
