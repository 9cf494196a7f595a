"""Describe a recalibration as plain text: each remedy with its interval."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.evaluation import describe_level
from chexpert.evaluation.thresholds import WARNING
from chexpert.report.text.values import describe_resamples, format_number, format_value

NAMES = {"as_is": "as is", "prior_shift": "prior shift", "refit": "refit"}
SHARES = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}


def describe_recalibration(report: Mapping[str, Any]) -> str:
    """Return a table for each observation: the run's thresholds on the new labels, and what each remedy gives."""
    lines = [
        f"thresholds on given labels, {describe_level(report)}, n = {report['n']:,}, "
        f"[95 % interval, {describe_resamples(report)}]",
        f"as is: chosen on {report['chosen_on']}" + (f"; {WARNING}" if report["labels_before"] == "report" else ""),
        "prior shift: for another prevalence, without a label; holds if positives score as before, and negatives too",
        "refit: the threshold is of all rows, with its interval; its values are of cross-validation over patients, "
        "where each fold has another threshold",
    ]
    for name, own in report["observations"].items():
        positives, negatives = own["positives"], own["negatives"]
        share = f" ({positives / (positives + negatives):.3f} of the given labels)" if positives + negatives else ""
        lines += [
            "",
            f"{name}: {positives:,} positive{share}, {negatives:,} negative",
            *_describe(name, own, report["chosen_on"]),
        ]
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
    lines += describe_verdict(report["observations"])
    return "\n".join(lines)


def _describe(name: str, own: Mapping[str, Any], chosen_on: str) -> Iterator[str]:
    remedies = own["remedies"]
    if not remedies:
        yield "  the run has no calibration or threshold of it"
        return
    for key, remedy in remedies.items():
        if remedy is None:
            yield f"  {NAMES[key]}: not possible, {_explain(key, name)}"
            continue
        held_out = "cross-validated Brier" if key == "refit" else "Brier"
        whose = {"as_is": f" on {chosen_on}", "refit": " of the given labels"}.get(key, "")
        prevalence = f"prevalence{whose} {format_number(remedy['prevalence'])}"
        yield f"  {NAMES[key]}: {prevalence}, {held_out} {format_value(remedy['brier'])}"
        for rule, point in remedy["rules"].items():
            yield from _describe_rule(rule, point, apart=key == "refit")


def _explain(key: str, name: str) -> str:
    """Return why a remedy could not be fitted."""
    if key == "prior_shift":
        return (
            "its estimated prevalence is below .001 or above .999, that is 0 or 1; "
            f"where you know it, give it: --prevalence '{name}=P'"
        )
    return "too few rows of a class"


def _describe_rule(rule: str, point: Mapping[str, Any], *, apart: bool) -> Iterator[str]:
    """Yield threshold and values; ``apart``: the values are of other thresholds, and stand on a line of their own."""
    shares = ", ".join(f"{word} {format_value(point[share], 2)}" for share, word in SHARES.items())
    if not apart:
        yield f"    {rule} at {format_number(point['threshold'])}: {shares}"
        return
    interval = point.get("threshold_interval")
    yield f"    {rule}, threshold: {format_value(interval) if interval else format_number(point['threshold'])}"
    yield f"    {rule}, cross-validated: {shares}"


def describe_verdict(observations: Mapping[str, Any]) -> Iterator[str]:
    """Yield which observations the refit is shown to change, where its interval and that of the run do not overlap."""
    fitted = {name: own["remedies"] for name, own in observations.items() if own["remedies"]}
    fitted = {name: own for name, own in fitted.items() if own.get("as_is") and own.get("refit")}
    if not fitted:
        return
    yield ""
    for what, changes in (
        ("Brier score", {name: list(_compare_brier(own)) for name, own in fitted.items()}),
        ("thresholds", {name: list(_compare_rules(own)) for name, own in fitted.items()}),
    ):
        parts = [f"{name}: {', '.join(found)}" for name, found in changes.items() if found]
        if overlap := [name for name, found in changes.items() if not found]:
            parts.append(f"not shown to be better, the 95 % intervals overlap: {', '.join(overlap)}")
        yield f"refit against as is, {what}: {'; '.join(parts)}"


def _compare_brier(remedies: Mapping[str, Any]) -> Iterator[str]:
    if side := _compare(remedies["as_is"]["brier"], remedies["refit"]["brier"]):
        yield "worse" if side == "higher" else "better"


def _compare_rules(remedies: Mapping[str, Any]) -> Iterator[str]:
    rules: dict[str, list[str]] = {}
    for rule, before in remedies["as_is"]["rules"].items():
        after = remedies["refit"]["rules"][rule]
        sides = {share: _compare(before[share], after[share]) for share in ("sensitivity", "specificity")}
        if change := " and ".join(f"{share} {side}" for share, side in sides.items() if side):
            rules.setdefault(change, []).append(rule)
    for change, names in rules.items():
        yield f"{change} ({', '.join(names)})"


def _compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return whether an interval lies wholly above or below another; None where they overlap, or one is undefined."""
    ends = [own.get(end) for own in (before, after) for end in ("ci_low", "ci_high")]
    low, high, other_low, other_high = (math.nan if end is None else float(end) for end in ends)
    if any(map(math.isnan, (low, high, other_low, other_high))):
        return None
    return "higher" if other_low > high else "lower" if other_high < low else None
