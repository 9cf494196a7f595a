"""Targets that stand for labels: P(finding | label) by observation, as ``chexpert learn-targets`` writes it."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.observations import REPORT_LABELS
from chexpert.runs.read import read_mapping

KEY = "labels.file"
HINT = "write it: chexpert learn-targets RUN --out targets.json"
FIELDS = ("value", "ci_low", "ci_high", "n", "positives", "why")
"""What stands in the file for each label value of an observation."""
METHODS = {"expectation maximization": "from out-of-fold predictions", "expert labels": "from expert labels"}
"""How targets can be learned, and the same in a few words."""

SURE_AUROC = 0.93
"""Fitted AUROC below which expectation maximization is wrong by up to .07 of planted values (decisions/labels.md)."""


def find_targets(file: str | Path | None) -> Path:
    """Return the file of learned targets.

    Raises:
        UserError: none is named, or it is not there.
    """
    if file is None:
        hint = f"{KEY}=targets.json; {HINT}"
        raise UserError("learned targets need a file", code="missing-argument", where=KEY, hint=hint)
    if not isinstance(file, str | Path):
        raise UserError(f"{file!r} is not possible", code="value", where=KEY, hint=f"a file; {HINT}")
    if not Path(file).is_file():
        raise UserError(f"no such file: {file}", code="missing-file", where=KEY, hint=HINT)
    return Path(file)


def compute_fingerprint(content: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of all that a file of learned targets says but this."""
    rest = {key: value for key, value in content.items() if key != "fingerprint"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_targets_file(file: str | Path | None, observations: Sequence[str]) -> dict[str, Any]:
    """Return the content of a file of learned targets, of these observations alone.

    Raises:
        UserError: the file is missing, damaged or changed, or has no targets of an observation.
    """
    path = find_targets(file)
    content = read_mapping(path, HINT)
    if wrong := next(find_damage(content), None):
        raise UserError(f"damaged: {wrong}", code="damaged-file", where=str(path), hint=HINT)
    known = content["observations"]
    if missing := [name for name in observations if name not in known]:
        message = f"these targets are of {', '.join(known)}, and not of {', '.join(missing)}"
        hint = f"{HINT}, by runs of these observations; or give them rules of their own: {advise_rules(*missing)}"
        raise UserError(message, code="other-observations", where=str(path), hint=hint)
    for name in observations:
        if not_learned(known[name]):
            message = f"no target of {name} was learned: {known[name]['1']['why']}"
            lacking = [other for other in observations if not_learned(known[other])]
            hint = f"give {', '.join(lacking)} rules of their own: {advise_rules(*lacking)}"
            raise UserError(message, code="too-few", where=str(path), hint=hint)
    return content | {"observations": {name: known[name] for name in observations}}


def not_learned(entries: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether no target of an observation was learned."""
    return all(entry["value"] is None for entry in entries.values())


def list_not_learned(content: Mapping[str, Any]) -> list[str]:
    """Return the observations of which no target was learned: training needs rules of their own for them."""
    return [name for name, entries in content["observations"].items() if not_learned(entries)]


def advise_rules(*names: str) -> str:
    """Return the settings that give observations rules of their own."""
    uncertain, blank = (", ".join(f"{name}: {rule}" for name in names) for rule in ("ignore", "zeros"))
    return f"'labels.uncertain={{{uncertain}}}' 'labels.blank={{default: learned, {blank}}}'"


def find_damage(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the content of a file."""
    if lacking := [key for key in ("method", "fitted_on", "observations", "fingerprint") if key not in content]:
        yield f"no {', '.join(lacking)}"
        return
    if content["fingerprint"] != compute_fingerprint(content):
        yield "its content is not that of its fingerprint"
    if not isinstance(content["observations"], Mapping) or not isinstance(content["fitted_on"], Mapping):
        yield "no mapping of observations"
        return
    for name, labels in content["observations"].items():
        for label in REPORT_LABELS:
            entry = labels.get(label) if isinstance(labels, Mapping) else None
            if not isinstance(entry, Mapping) or set(FIELDS) - entry.keys():
                yield f"{name} has no value for the label {label}"
            elif entry["value"] is not None and not _is_probability(entry["value"]):
                yield f"the value of {name} for the label {label} is no probability: {entry['value']!r}"


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def get_values(content: Mapping[str, Any], observation: str) -> np.ndarray:
    """Return the targets (4,) of an observation in the order of ``REPORT_LABELS``; NaN where none was learned."""
    entries = content["observations"][observation]
    return np.array([entries[label]["value"] for label in REPORT_LABELS], dtype=float)


def check_origin(content: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    """Check that targets are of the labels that they stand for: the same label file, synthetic or not.

    Args:
        content: of the file of targets.
        source: ``labels`` and ``synthetic`` of the training split.

    Raises:
        UserError: they are of others.
    """
    kinds = [(where.get("labels"), bool(where.get("synthetic"))) for where in (content["fitted_on"], source)]
    if kinds[0] != kinds[1]:
        learned, own = (f"{labels}{' of a phantom' if synthetic else ''}" for labels, synthetic in kinds)
        message = f"these targets are of the labels in {learned}, and not of {own}"
        raise UserError(message, code="other-data", where=KEY, hint=f"{HINT}, by a run on these data")


def describe_targets(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines of a table: targets with intervals and counts of each observation; none of an empty content."""
    if not content:
        return
    where = content["fitted_on"]
    method = METHODS.get(content["method"], content["method"])
    yield (
        f"learned {method} of {where.get('studies', 0):,} studies of {where.get('patients', 0):,} patients "
        f"({where.get('labels')}); 95 % intervals, number of studies"
    )
    for name, entries in content["observations"].items():
        if not_learned(entries):
            yield f"  {name:<26} not learned: {entries['1']['why']} ({_count_studies(entries)})"
            continue
        yield f"  {name:<26} " + "   ".join(_describe_entry(label, entries[label]) for label in REPORT_LABELS)
    known = {name: own for name, own in content.get("fitted_auroc", {}).items() if name in content["observations"]}
    if weak := {name: auroc for name, auroc in known.items() if auroc < SURE_AUROC}:
        listed = ", ".join(f"{name} {auroc:.2f}" for name, auroc in weak.items())
        yield (
            f"warning: fitted AUROC below {SURE_AUROC}: {listed}; targets may be wrong by more than their intervals "
            "say, so prefer expert labels (--expert)"
        )


def _count_studies(entries: Mapping[str, Mapping[str, Any]]) -> str:
    return "studies with " + ", ".join(f"{label}: {entries[label]['n']:,}" for label in REPORT_LABELS)


def _describe_entry(label: str, entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return f"{label}: not learned, {entry['why']} ({entry['n']:,})"
    return f"{label}: {entry['value']:.2f} [{entry['ci_low']:.2f}, {entry['ci_high']:.2f}] ({entry['n']:,})"
