"""Files of learned targets with given values."""

from pathlib import Path
from typing import Any

from chexpert.data.labels.learned_targets import compute_fingerprint
from chexpert.observations import REPORT_LABELS
from chexpert.runs import files as run_files


def make_targets(values: dict[str, list[float | None]], **fitted_on: Any) -> dict[str, Any]:
    """Return the content of a file of targets: of each observation those of 1, 0, -1 and blank, None for too few."""
    observations = {
        name: {label: _make_entry(value) for label, value in zip(REPORT_LABELS, own, strict=True)}
        for name, own in values.items()
    }
    where = {"labels": "train.csv", "synthetic": False, "studies": 400, "patients": 100} | fitted_on
    content: dict[str, Any] = {"method": "expert labels", "fitted_on": where, "observations": observations}
    return content | {"fingerprint": compute_fingerprint(content)}


def _make_entry(value: float | None) -> dict[str, Any]:
    if value is None:
        return {"value": None, "ci_low": None, "ci_high": None, "n": 3, "positives": 1, "why": "fewer than 10 studies"}
    return {"value": value, "ci_low": value / 2, "ci_high": value, "n": 100, "positives": 100 * value, "why": None}


def write_targets(file: Path, values: dict[str, list[float | None]], **fitted_on: Any) -> Path:
    """Write a file of targets."""
    run_files.write_json(file, make_targets(values, **fitted_on))
    return file
