"""What is known of a view or study besides its labels, as groups to evaluate apart."""

from collections.abc import Mapping, Sequence

import numpy as np

from chexpert.errors import UserError

BANDS = ((1, 40, "under 40"), (40, 60, "40 to 59"), (60, 80, "60 to 79"), (80, 200, "80 and over"))
"""Of age in years; CheXpert's 0 means that it is not known, and its 90 is 90 or more."""
AGES = [name for *_, name in BANDS]
COLUMNS = {"frontal/lateral": "view", "ap/pa": "ap_pa"}
"""CheXpert's columns, in small letters, by the name of the group, where that is another."""
DEVICES = "Support Devices"
UNKNOWN = ("", "unknown", "nan")


def find_circumstances(columns: Mapping[str, Sequence[str]], labels: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Return groups by name, N values each, blank where not known.

    Args:
        columns: N texts of each column that is no observation; any will do, besides CheXpert's own.
        labels: (N,) in {1, 0, NaN} by observation.
    """
    groups: dict[str, list[str]] = {}
    for name, values in columns.items():
        group = COLUMNS.get(name.lower(), name.lower())
        if group in groups:
            raise UserError(
                f"two columns for the group {group!r}", code="ambiguous-column", where=f"column {name}", hint="drop one"
            )
        known = ["" if value.strip().lower() in UNKNOWN else value.strip() for value in values]
        groups[group] = [find_band(value) for value in known] if group == "age" else known
    if DEVICES in labels:
        groups["devices"] = [{1.0: "with devices", 0.0: "without devices"}.get(label, "") for label in labels[DEVICES]]
    return groups


def find_band(age: str) -> str:
    """Return the band of an age in years; blank where it is not known.

    >>> find_band("61.0"), find_band("0"), find_band("")
    ('60 to 79', '', '')
    """
    try:
        years = float(age)
    except ValueError:
        return ""
    return next((name for low, high, name in BANDS if low <= years < high), "")
