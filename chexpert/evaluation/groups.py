"""The same metrics in parts of the rows: by sex, age, view, devices, or any other column of the labels."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.group_values import AGES
from chexpert.evaluation.join import LabeledScores
from chexpert.evaluation.observation_metrics import (
    Sample,
    estimate_calibration_error,
    interval_to_dict,
    take_samples,
)
from chexpert.metrics import find_patient, percentile_interval

LEAST = 10
"""Positives and negatives of an observation below which a part is small: no gap is read from it."""
PERSONAL = ("race", "ethnicity", "insurance")
"""Groups of which no part of few patients is written: a metric of one patient says what this patient has."""
FEW = 10
"""Patients below which a part of a personal group is merged with other such parts, and any other is not reported."""
OTHER = "other, of few patients"


def evaluate_groups(
    labeled: LabeledScores, group: str, counts: np.ndarray, over: Sequence[str], *, calibrated: bool
) -> dict[str, Any]:
    """Return AUROC, prevalence and calibration in each part of a group, and the largest gap between two parts.

    Parts of race, ethnicity or insurance with fewer than ``FEW`` patients are one part together, or count as unknown.

    Args:
        labeled: N rows.
        group: its name.
        counts: (S, R), how often each study was sampled.
        over: what the mean is over, where it is defined in the part.
        calibrated: whether scores are probabilities.

    Raises:
        UserError: nothing is known of this group.
    """
    known = [name for name, values in labeled.groups.items() if any(values)]
    if group not in known:
        hint = f"one of {', '.join(sorted(known))}" if known else "give labels with Sex, Age, ... columns"
        raise UserError(
            f"nothing is known of {group!r} in the labels", code="unknown-group", where="--group-by", hint=hint
        )
    values = select_parts(labeled, group)
    metrics = ["auroc", "prevalence", *(["ece"] if calibrated else [])]
    parts = {
        part: take_samples(labeled, counts, metrics, values == part) for part in sorted(set(values) - {""}, key=_order)
    }
    rows = {
        part: {"n": int((values == part).sum()), "patients": count_patients(labeled.names, values == part)}
        | _evaluate(samples, over, calibrated)
        for part, samples in parts.items()
    }
    enough = {part: samples for part, samples in parts.items() if not has_few_patients(rows[part])}
    return {"rows": rows, "unknown": int((values == "").sum()), "largest_gap": find_largest_gap(enough)}


def select_parts(labeled: LabeledScores, group: str) -> np.ndarray:
    """Return the part (N,) of a group that each row is in, blank where not known; personal ones of few are merged."""
    values = labeled.groups[group]
    return merge_few(values, labeled.names) if group in PERSONAL else np.array(values)


def merge_few(values: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return the values (N,) with ``OTHER`` in the place of those of few patients, or blank where these are few too.

    Args:
        values: (N,) of a group, blank where not known.
        names: of the views or studies; each is a patient of its own where it names none.
    """
    found = np.array([*values], dtype=object)
    few = [part for part in set(values) - {""} if count_patients(names, found == part) < FEW]
    merged = np.isin(found, few)
    found[merged] = OTHER if count_patients(names, merged) >= FEW else ""
    return found.astype(str)


def has_few_patients(part: Mapping[str, Any]) -> bool:
    """Return whether a part of a group is of too few patients to be reported.

    Its interval resamples these few: of two or three it may have no width at all.

    Args:
        part: of the ``rows`` of :func:`evaluate_groups`; of older versions a row counts as one patient.
    """
    count: int = part["patients"] if "patients" in part else part["n"]
    return count < FEW


def list_few(group: Mapping[str, Any]) -> list[str]:
    """Return the parts of an evaluated group that are of too few patients to be reported, each with its n."""
    return [f"{part} (n = {own['n']:,})" for part, own in group.get("rows", {}).items() if has_few_patients(own)]


def count_patients(names: Sequence[str], rows: np.ndarray) -> int:
    """Count the patients of some of N views or studies; each is a patient of its own where it names none.

    Args:
        names: (N,).
        rows: (N,) bool.
    """
    return len({find_patient(names[row]) for row in np.flatnonzero(rows).tolist()})


def get_largest_gap(group: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the largest gap of an evaluated group; None where there is none, or of a part of few patients.

    Older versions recorded such gaps.
    """
    gap: Mapping[str, Any] | None = group["largest_gap"]
    rows = group.get("rows", {})
    ends = [rows[gap[end]] for end in ("high", "low") if gap[end] in rows] if gap else []
    return None if any(map(has_few_patients, ends)) else gap


def find_largest_gap(parts: Mapping[str, Mapping[str, Sample]]) -> dict[str, Any] | None:
    """Return the largest difference of AUROC between two parts that are not small, of ``compared`` ones.

    Parts of few patients are not among those given.

    The largest of several differences is larger than its own size by chance: its interval is not corrected for that.
    """
    gaps = list(_find_gaps(parts))
    if not gaps:
        return None
    observation, high, low = max(gaps, key=lambda gap: gap[1][1].value.value - gap[2][1].value.value)
    (high_name, best), (low_name, worst) = high, low
    value = best.value.value - worst.value.value
    found = percentile_interval(value, best.aurocs - worst.aurocs, len(best.scores) + len(worst.scores))
    names = {"observation": observation, "high": high_name, "low": low_name}
    return names | interval_to_dict(found) | {"compared": len(gaps)}


def _find_gaps(
    parts: Mapping[str, Mapping[str, Sample]],
) -> Iterator[tuple[str, tuple[str, Sample], tuple[str, Sample]]]:
    for observation in next(iter(parts.values()), {}):
        large = [(name, own[observation]) for name, own in parts.items() if own[observation].rarer >= LEAST]
        for pair in combinations(large, 2):
            low, high = sorted(pair, key=lambda part: part[1].value.value)
            yield observation, high, low


def _order(part: str) -> tuple[int, str]:
    """Ages from the young to the old, others by name."""
    return (AGES.index(part) if part in AGES else 0), part


def _evaluate(samples: Mapping[str, Sample], over: Sequence[str], calibrated: bool) -> dict[str, Any]:
    used = [name for name in over if samples[name].rarer]
    metrics = {
        "small": any(samples[name].rarer < LEAST for name in over),
        "auroc": {name: sample.auroc() | {"small": sample.rarer < LEAST} for name, sample in samples.items()},
        "auroc_mean": interval_to_dict(Sample.mean([samples[name] for name in used])) | {"over": used},
        "prevalence": {name: _prevalence(sample) for name, sample in samples.items()},
    }
    if calibrated:
        metrics["ece"] = {name: estimate_calibration_error(sample) for name, sample in samples.items()}
    return metrics


def _prevalence(sample: Sample) -> dict[str, Any]:
    return interval_to_dict(percentile_interval(sample.prevalence, sample.replicates["prevalence"], len(sample.labels)))
