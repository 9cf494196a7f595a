"""Describe an evaluation as plain text; every metric has its evaluation setting and its interval."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.evaluation import describe_level
from chexpert.evaluation.groups import FEW, get_largest_gap, has_few_patients, list_few
from chexpert.evaluation.thresholds import warn_of_labels
from chexpert.report.text.evaluation_settings import describe_settings
from chexpert.report.text.prediction_sets import describe_sets
from chexpert.report.text.values import describe_resamples, format_number, format_value
from chexpert.runs.synthetic import WORDS

SHOWN = 5
"""Names of left out rows that are printed."""


def describe_evaluation(content: Mapping[str, Any], evaluation_setting: str) -> str:
    """Describe one evaluation in all its tables.

    Args:
        content: content of evaluation/<split>.json, or of the JSON file of chexpert evaluate.
        evaluation_setting: words for the evaluated rows and the source of the labels, for the head of the table.

    Returns:
        Lines of text: AUROC, also in other evaluation settings, AUPRC, calibration, prediction sets, operating points,
        groups, and the rows that were left out.
    """
    parts = [*_precisions(content), *_calibration(content), *describe_sets(content), *_points(content)]
    parts += [*_groups(content), *_left_out(content)]
    return "\n".join([describe_aurocs(content, evaluation_setting), *describe_settings(content), *parts])


def describe_aurocs(content: Mapping[str, Any], evaluation_setting: str, note: str = "") -> str:
    """Return the table of AUROCs of one evaluation; ``note`` is how the epoch was chosen, if it was."""
    over = content["auroc_mean"]["over"]
    mean = f"{f'mean over {len(over)}':<26}  {format_value(content['auroc_mean']):<20}  {note}".rstrip()
    return "\n".join([_head(content, evaluation_setting), *_aurocs(content), mean])


def _head(content: Mapping[str, Any], evaluation_setting: str) -> str:
    interval = f"[95 % interval, {describe_resamples(content)}]"
    synthetic = f"{WORDS}, " if content.get("synthetic") else ""
    return f"AUROC, {synthetic}{evaluation_setting}, {describe_level(content)}, n = {content['n']:,}, {interval}"


def _aurocs(content: Mapping[str, Any]) -> Iterator[str]:
    for name, auroc in content["auroc"].items():
        counts = f"{auroc['positives']:,} positive, {auroc['negatives']:,} negative"
        yield f"{name:<26}  {format_value(auroc):<20}  {counts}"


def _precisions(content: Mapping[str, Any]) -> Iterator[str]:
    yield "AUPRC, and what it is at chance"
    for name, found in content["auprc"].items():
        yield f"{name:<26}  {format_value(found):<20}  {format_number(found['prevalence'])}"


def _calibration(content: Mapping[str, Any]) -> Iterator[str]:
    if content["not_probabilities"]:
        yield f"no Brier score and no ECE: {content['not_probabilities']}"
        return
    calibrated = content.get("calibrated") or {"figures": {}}
    after = f", ECE by {calibrated['method']} fitted on {calibrated['fitted_on']}" if calibrated["figures"] else ""
    yield f"Brier score, expected calibration error (ECE){after}"
    for name, found in content["calibration"].items():
        cells = [found["brier"], found["ece"]]
        cells += [calibrated["figures"][name]["ece"]] if name in calibrated["figures"] else []
        yield f"{name:<26}  " + "  ".join(f"{format_value(cell):<20}" for cell in cells).rstrip()


def _points(content: Mapping[str, Any]) -> Iterator[str]:
    if not content["operating_points"]:
        return
    yield f"sensitivity / specificity, thresholds chosen on {content['operating_points_chosen_on']}"
    for name, rules in content["operating_points"].items():
        for rule, point in rules.items():
            threshold = format_number(point["threshold"])
            pair = " / ".join(format_value(point[key], 2) for key in ("sensitivity", "specificity"))
            yield f"{name:<26}  {rule:<15} {threshold:>6}  {pair}"
    if warning := warn_of_labels(content.get("operating_points_labels")):
        yield f"note: {warning}"


def _groups(content: Mapping[str, Any]) -> Iterator[str]:
    for group, found in content["groups"].items():
        parts = [
            f"{part} {format_value(own['auroc_mean'])} of {len(own['auroc_mean']['over'])}, n = {own['n']:,}"
            + ", small" * own["small"]
            for part, own in found["rows"].items()
            if not has_few_patients(own)
        ]
        few = list_few(found)
        parts += [f"not reported, fewer than {FEW} patients: {', '.join(few)}"] if few else []
        yield f"mean AUROC by {group}: " + "; ".join(parts)
        yield f"  {describe_gap(found)}"


def describe_gap(group: Mapping[str, Any]) -> str:
    """Describe the largest gap between the parts of an evaluated group, in words."""
    gap = get_largest_gap(group)
    if gap is None:
        if group["largest_gap"]:
            return f"no gap is reported: the largest is of a part of fewer than {FEW} patients"
        few = f"{FEW} patients, positives or negatives"
        return f"no gap is reported: each observation has fewer than {few} in all parts but one"
    pair = f"{gap['observation']}, {gap['high']} above {gap['low']}"
    return f"largest gap of {gap['compared']}: {pair} by {format_value(gap)}"


def _left_out(content: Mapping[str, Any]) -> Iterator[str]:
    for kind, noun in (("left_out", "rows"), ("not_judged", "observations")):
        for side, names in content[kind].items():
            if names:
                more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                yield f"left out: {len(names)} {noun} that only the {side} have: {', '.join(names[:SHOWN])}{more}"
