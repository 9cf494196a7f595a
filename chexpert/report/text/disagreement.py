"""How far the members of an ensemble err together, as text."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.report.text.values import format_number

SHOWN_PAIRS = 6
"""Pairs of an observation that are printed one by one; of more only the means."""


def describe_disagreement(content: Mapping[str, Any]) -> str:
    """Describe the members' disagreement.

    Args:
        content: from :func:`chexpert.evaluation.disagreement.evaluate_disagreement`.

    Returns:
        A table with the mean Q and correlation of each observation, and each pair where there are few.
    """
    rows = {"image": "single views", "study": "studies"}[content["level"]]
    head = f"members' errors: Q at the threshold {content['threshold']:g}, correlation of p - y; {rows}"
    lines = [head, *_describe_observations(content["observations"])]
    mean = content["mean"]
    if len(content["observations"]) > 1 and any(mean[key]["of"] for key in mean):
        lines.append(_line("mean", mean["q"], mean["correlation"], ""))
    lines += _list_pairs(content)
    return "\n".join([*lines, "  Q: 1 the same rows are wrong, 0 errors are independent, below 0 other rows are wrong"])


def _describe_observations(observations: Mapping[str, Any]) -> Iterator[str]:
    for name, own in observations.items():
        if own["why"]:
            yield f"  {name:<26} not computed: {own['why']}"
        else:
            yield _line(name, own["mean"]["q"], own["mean"]["correlation"], f"  n {own['n']:,}")


def _line(name: str, q: Mapping[str, Any], correlation: Mapping[str, Any], end: str) -> str:
    parts = [f"Q {_mean(q)}", f"correlation {_mean(correlation)}"]
    return f"  {name:<26} {'  '.join(parts)}{end}"


def _mean(mean: Mapping[str, Any]) -> str:
    undefined = f" ({mean['of'] - mean['defined']} of {mean['of']} undefined)" if mean["defined"] < mean["of"] else ""
    return f"{format_number(mean['value'])}{undefined}"


def _list_pairs(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pairs of observations that have few, and why a value is undefined."""
    numbers = {name: number for number, name in enumerate(content["members"], 1)}
    for name, own in content["observations"].items():
        few = len(own["pairs"]) <= SHOWN_PAIRS
        shown = [pair for pair in own["pairs"] if few and (len(own["pairs"]) > 1 or pair["why"])]
        for pair in shown:
            who = " and ".join(str(numbers[member]) for member in pair["members"])
            why = f"  ({pair['why']})" if pair["why"] else ""
            values = f"Q {format_number(pair['q'])}  correlation {format_number(pair['correlation'])}"
            yield f"    {name}, members {who}: {values}  n {pair['n']:,}{why}"
