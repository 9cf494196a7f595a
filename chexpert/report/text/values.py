"""Metrics as text: a value with its interval; undefined is a dash."""

import math
from collections.abc import Mapping
from typing import Any

UNITS = {"study": "studies", "patient": "patients"}
"""What the bootstrap resamples, in words."""


def format_value(metric: Mapping[str, Any], digits: int = 3) -> str:
    """Format a metric with its interval; undefined is a dash.

    >>> format_value({"value": 0.9, "ci_low": 0.85, "ci_high": 0.94})
    '0.900 [0.850, 0.940]'
    >>> format_value({"value": None, "ci_low": None, "ci_high": None})
    '-'
    """
    if is_undefined(metric["value"]):
        return "-"
    ends = [format_number(metric[end], digits) for end in ("ci_low", "ci_high")]
    return f"{metric['value']:.{digits}f} [{', '.join(ends)}]"


def format_number(value: float | None, digits: int = 3) -> str:
    """Format a number; undefined is a dash."""
    return "-" if is_undefined(value) else f"{value:.{digits}f}"


def describe_resamples(content: Mapping[str, Any]) -> str:
    """Describe what the intervals of an evaluation resample: studies, or of external data sets patients.

    >>> describe_resamples({"studies": 1234, "bootstrap": {"replicates": 1000, "unit": "study"}})
    '1,000 resamples of 1,234 studies'
    """
    bootstrap = content["bootstrap"]
    patients = bootstrap.get("unit") == "patient"
    units = f"{bootstrap['units']:,} patients" if patients else f"{content['studies']:,} studies"
    return f"{bootstrap['replicates']:,} resamples of {units}"


def format_short(value: float | None, digits: int = 2) -> str:
    """Format a number without the zero before its point.

    >>> format_short(0.25), format_short(-0.25), format_short(12.5, 1), format_short(None)
    ('.25', '-.25', '12.5', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits}f}".replace("0.", ".", 1 if abs(value) < 1 else 0)


def format_interval(metric: Mapping[str, Any], digits: int = 2) -> str:
    """Format a metric with its interval and n; undefined is a dash.

    >>> format_interval({"value": 0.5, "ci_low": 0.25, "ci_high": 0.75, "n": 32})
    '.50 [.25, .75] 32'
    """
    if is_undefined(metric["value"]):
        return "-"
    ends = f"[{format_short(metric['ci_low'], digits)}, {format_short(metric['ci_high'], digits)}]"
    return f"{format_short(metric['value'], digits)} {ends} {metric['n']}"


def is_undefined(value: float | None) -> bool:
    """Return whether a value is NaN, or null where it was read from JSON."""
    return value is None or math.isnan(value)
