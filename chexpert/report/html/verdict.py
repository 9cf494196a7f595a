"""Summarize a run in two sentences, and list the warnings."""

from collections.abc import Iterator
from typing import Any

from chexpert.evaluation.groups import get_largest_gap
from chexpert.report.evaluation_setting import describe_choice, describe_labels, describe_rows
from chexpert.report.run_data import RunData
from chexpert.report.text.explanation_quality import ALIKE, describe_instability, find_flags
from chexpert.report.text.shortcuts import describe_found_shortcuts
from chexpert.report.text.values import format_value
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty

CHANCE = 0.5
FEW = 2
"""The most observations of which a sentence gives the values."""
POOR = 0.05
"""A calibration error is reported if its interval is above this value."""
NAMES = {"ap_pa": "projection", "devices": "support devices", "prior": "prior study"}
"""Of groups."""


def summarize_in_two(run_data: RunData) -> tuple[str, str]:
    """Return two sentences: the mean AUROC with its evaluation setting, and the gravest warning."""
    return describe_mean(run_data), next(find_warnings(run_data), None) or describe_weakest(run_data)


def describe_mean(run_data: RunData) -> str:
    """Describe the mean AUROC with its interval and evaluation setting; never without an interval."""
    split = run_data.splits[0]
    content = run_data.evaluations.get(split)
    where = f"{describe_rows(run_data, split)}, {describe_labels(run_data, split)}"
    if not content:
        return f"No mean AUROC is reported, as it has no interval yet ({where}); {describe_choice(run_data, split)}."
    mean = content["auroc_mean"]
    if mean["value"] is None:
        return f"The mean AUROC is undefined ({where}); {describe_choice(run_data, split)}."
    names = ", ".join(mean["over"])
    return f"Mean AUROC over {names}: {format_value(mean)} ({where}); {describe_choice(run_data, split)}."


def describe_weakest(run_data: RunData) -> str:
    """Describe the observation that is ranked worst."""
    split = run_data.splits[0]
    defined = {name: f for name, f in find_aurocs(run_data, split).items() if f["value"] is not None}
    if not defined:
        return "No observation has both classes there, so no AUROC is defined."
    name = min(defined, key=lambda name: defined[name]["value"])
    value = format_value(defined[name]) if "ci_low" in defined[name] else f"{defined[name]['value']:.3f}, no interval"
    return f"The weakest is {name}: AUROC {value}, {count_classes(defined[name])}."


def find_warnings(run_data: RunData) -> Iterator[str]:
    """Yield the warnings, the gravest first."""
    if (state := run_data.state.get("state")) in ("failed", "stopped"):
        ended = "was " * (state == "stopped") + str(state)
        yield f"The run {ended} before it was done: this page shows the files that it had written by then."
    yield from find_shortcuts(run_data)
    yield from find_undefined(run_data)
    yield from find_chance(run_data)
    yield from find_insane(run_data)
    yield from find_unstable(run_data)
    yield from find_uncalibrated(run_data)
    yield from find_gaps(run_data)
    yield from find_quality_flags(run_data)


def find_aurocs(run_data: RunData, split: str) -> dict[str, dict[str, Any]]:
    """Return the AUROC by observation, with intervals where there are any."""
    return (run_data.evaluations.get(split) or run_data.metrics[split])["auroc"]


def count_classes(auroc: dict[str, Any]) -> str:
    """Describe the support of an AUROC."""
    return f"{auroc['positives']:,} positive, {auroc['negatives']:,} negative"


def find_shortcuts(run_data: RunData) -> Iterator[str]:
    """Yield the shortcuts that chexpert shortcuts found, if it was run."""
    content = read_mapping_or_empty(run_data.run / run_files.SHORTCUTS / "shortcut.json")
    if content:
        yield from describe_found_shortcuts(content)


def find_undefined(run_data: RunData) -> Iterator[str]:
    """Yield a warning of the observations without both classes."""
    split = run_data.splits[0]
    found = {name: auroc for name, auroc in find_aurocs(run_data, split).items() if auroc["value"] is None}
    if found:
        names = join_notes({name: count_classes(auroc) for name, auroc in found.items()})
        yield f"Not evaluated, as the {split} split lacks a class, so that AUROC is undefined: {names}."


def find_chance(run_data: RunData) -> Iterator[str]:
    """Yield a warning of the observations that are not shown to be ranked better than by chance."""
    split, unsure = run_data.splits[0], {}
    for name, auroc in find_aurocs(run_data, split).items():
        low = auroc.get("ci_low")
        if auroc["value"] is not None and low is not None and low <= CHANCE:
            unsure[name] = f"AUROC {format_value(auroc)}, {count_classes(auroc)}"
    if unsure:
        yield f"Not shown to be ranked better than by chance on the {split} split: {join_notes(unsure)}."


def join_notes(notes: dict[str, str]) -> str:
    """Join names with their notes where they are few; the notes of many stand in the table below.

    >>> join_notes({"Edema": "0 positive"}), join_notes(dict.fromkeys("ABC", "long"))
    ('Edema (0 positive)', 'A, B, C')
    """
    return ", ".join(f"{name} ({text})" for name, text in notes.items()) if len(notes) <= FEW else ", ".join(notes)


def find_insane(run_data: RunData) -> Iterator[str]:
    """Yield a warning of each explainer whose maps hardly depend on the trained weights."""
    for name, scored in run_data.quality.get("explainers", {}).items():
        if not scored["control"] and scored["sanity"]["passed"] is False:
            yield f"Maps by {name} are no evidence: {ALIKE}."


def find_unstable(run_data: RunData) -> Iterator[str]:
    """Yield a warning of each explainer whose second maps differ from the first."""
    for name, scored in run_data.quality.get("explainers", {}).items():
        if not scored["control"] and (unstable := describe_instability(scored)):
            yield f"Maps by {name}: {unstable}."


def find_uncalibrated(run_data: RunData) -> Iterator[str]:
    """Yield a warning of the observation whose raw scores are worst as probabilities, where that is sure."""
    split = run_data.splits[0]
    found = run_data.evaluations.get(split, {}).get("calibration") or {}
    known = {name: own["ece"] for name, own in found.items() if own["ece"]["ci_low"] is not None}
    if known:
        name = max(known, key=lambda name: known[name]["value"])
        if known[name]["ci_low"] > POOR:
            note = (
                f"; for those calibrated on {run_data.calibration.fitted_on} see below" if run_data.calibration else ""
            )
            yield (
                f"Raw scores cannot be read as probabilities, {name}'s least of all: expected calibration error "
                f"{format_value(known[name])} on the {split} split{note}."
            )


def find_gaps(run_data: RunData) -> Iterator[str]:
    """Yield the largest gap of each group whose interval leaves out 0."""
    split = run_data.splits[0]
    for group, found in run_data.evaluations.get(split, {}).get("groups", {}).items():
        gap = get_largest_gap(found)
        if gap and gap["ci_low"] is not None and gap["ci_low"] > 0:
            pair = f"{gap['observation']}, {gap['high']} above {gap['low']} by {format_value(gap)}"
            message = f"Largest gap in AUROC by {NAMES.get(group, group)}, of {gap['compared']} compared"
            yield f"{message}: {pair} ({split} split)."


def find_quality_flags(run_data: RunData) -> Iterator[str]:
    """Yield the warnings of each explainer, with the observations that have it; none of a control."""
    for name, scored in run_data.quality.get("explainers", {}).items():
        flags: dict[str, list[str]] = {}
        for observation, metrics in [] if scored["control"] else scored["observations"].items():
            for flag in find_flags("", metrics):
                flags.setdefault(flag.removeprefix("warning: : "), []).append(observation)
        for flag, observations in flags.items():
            if flag != ALIKE:
                yield f"Maps by {name} of {', '.join(observations)}: {flag}."
