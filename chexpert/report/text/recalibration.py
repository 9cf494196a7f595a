"""Describe a recalibration as plain text: each remedy with its interval."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.evaluation import describe_level
from chexpert.evaluation.thresholds import WARNING
from chexpert.report.text.values import format_number, format_value

NAMES = {"as_is": "as is", "prior_shift": "prior shift", "refit": "refit"}
SHARES = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}


def describe_recalibration(report: Mapping[str, Any]) -> str:
    """Return a table for each observation: the run's thresholds on the new labels, and what each remedy gives."""
    bootstrap = report["bootstrap"]
    lines = [
        f"thresholds on given labels, {describe_level(report)}, n = {report['n']:,}, "
        f"[95 % interval, {bootstrap['replicates']:,} resamples of {report['studies']:,} studies]",
        f"as is: chosen on {report['chosen_on']}" + (f"; {WARNING}" if report["labels_before"] == "report" else ""),
        "prior shift: for another prevalence, without a label; holds if positives score as before, and negatives too",
        "refit: by cross-validation over patients; the threshold is of all rows, with its interval",
    ]
    for name, own in report["observations"].items():
        lines += ["", f"{name}: {own['positives']:,} positive, {own['negatives']:,} negative", *_describe(own)]
    if kept := report["left_as_is"]:
        refitted = report["written"] == "refit"
        why = (
            f"fewer than {report['least']} positives or negatives"
            if refitted
            else "estimated prevalence 0 or 1, or no row"
        )
        least = f"{why}, or nothing fitted in the run"
        lines += ["", f"left as is ({least}): {', '.join(kept)}"]
    for side, count in report["left_out"].items():
        if count:
            lines.append(f"left out: {count:,} rows that only the {side} have")
    return "\n".join(lines)


def _describe(own: Mapping[str, Any]) -> Iterator[str]:
    remedies = own["remedies"]
    if not remedies:
        yield "  the run has no calibration or threshold of it"
        return
    for key, remedy in remedies.items():
        if remedy is None:
            why = "its estimated prevalence is 0 or 1" if key == "prior_shift" else "too few rows of a class"
            yield f"  {NAMES[key]}: not possible, {why}"
            continue
        yield f"  {NAMES[key]}: prevalence {format_number(remedy['prevalence'])}, Brier {format_value(remedy['brier'])}"
        for rule, point in remedy["rules"].items():
            interval = point.get("threshold_interval")
            threshold = format_value(interval) if interval else format_number(point["threshold"])
            shares = ", ".join(f"{word} {format_value(point[share], 2)}" for share, word in SHARES.items())
            yield f"    {rule} at {threshold}: {shares}"
