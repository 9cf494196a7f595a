"""Prediction sets of an evaluation as plain text."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.report.text.values import format_short, format_value, is_undefined

MAIN = "0.1"
"""The error rate that is printed."""


def describe_sets(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of an evaluation's prediction sets at the error rate .1; nothing where it has none."""
    found = content.get("prediction_sets")
    if not found:
        return
    shares = "share present / absent / both / neither"
    head = f"prediction sets fitted on {found['fitted_on']}, error rate {MAIN}"
    yield f"{head}: coverage of present / absent, mean size, {shares}"
    for name, own in found["error_rates"][MAIN].items():
        if own["why"]:
            yield f"{name:<26}  no set: {own['why']}"
            continue
        coverage = " / ".join(format_value(own["coverage"][kind], 2) for kind in ("present", "absent"))
        four = " / ".join(format_short(own["shares"][kind]) for kind in ("present", "absent", "both", "neither"))
        yield f"{name:<26}  {coverage:<41}  {format_value(own['size'], 2):<17}  {four}"


def summarize_sets(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line on an evaluation's prediction sets at the error rate .1; nothing where it has none.

    >>> coverage = {"present": {"value": 0.88}, "absent": {"value": None}}
    >>> own = {"why": None, "size": {"value": 1.25}, "coverage": coverage}
    >>> print(*summarize_sets({"prediction_sets": {"fitted_on": "dev", "error_rates": {"0.1": {"Edema": own}}}}))
    prediction sets (error rate .1, fitted on dev): coverage of present .88, of absent -, mean size 1.25
    """
    found = content.get("prediction_sets")
    if not found:
        return
    rows = found["error_rates"][MAIN]
    there = [own for own in rows.values() if not own["why"]]
    parts = []
    if there:
        coverage = (f"of {kind} {_range(own['coverage'][kind] for own in there)}" for kind in ("present", "absent"))
        parts.append(f"coverage {', '.join(coverage)}, mean size {_range(own['size'] for own in there)}")
    parts += [f"no set of {name}: {own['why']}" for name, own in rows.items() if own["why"]]
    yield f"prediction sets (error rate .1, fitted on {found['fitted_on']}): {'; '.join(parts)}"


def _range(metrics: Iterator[Mapping[str, Any]]) -> str:
    values = [one["value"] for one in metrics if not is_undefined(one["value"])]
    ends = dict.fromkeys(format_short(value) for value in (min(values), max(values))) if values else ["-"]
    return " to ".join(ends)
