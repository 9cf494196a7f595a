"""What is known of a view or study besides its labels, as groups to evaluate apart."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from chexpert.errors import UserError

BANDS = ((1, 40, "under 40"), (40, 60, "40 to 59"), (60, 80, "60 to 79"), (80, 200, "80 and over"))
"""Of age in years; CheXpert's 0 means that it is not known, and its 90 is 90 or more."""
AGES = [name for *_, name in BANDS]
COLUMNS = {"frontal/lateral": "view", "ap/pa": "ap_pa", "insurance_type": "insurance"}
"""CheXpert's columns, in small letters, by the name of the group, where that is another."""
ORDERS = ("study order", "patient_report_date_order")
"""Columns with the number of a study among those of its patient, 1 being the oldest."""
STUDY = re.compile(r"(?:^|/)patient[0-9]{5}/study([1-9][0-9]*)(?:/|$)")
PRIORS = ("no prior study", "prior study")
"""In the data set: what a patient had before it is not known."""
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
        if name.lower() in ORDERS:
            groups["prior"] = [name_order(value) for value in values]
            continue
        known = ["" if value.strip().lower() in UNKNOWN else value.strip() for value in values]
        groups[group] = [find_band(value) for value in known] if group == "age" else known
    if DEVICES in labels:
        groups["devices"] = [{1.0: "with devices", 0.0: "without devices"}.get(label, "") for label in labels[DEVICES]]
    return groups


def name_prior(name: str) -> str:
    """Return whether a patient has a prior study, by the number of the study in CheXpert's name; blank for other names.

    >>> name_prior("CheXpert-v1.0/train/patient00001/study2/view1_frontal.jpg"), name_prior("a.png")
    ('prior study', '')
    """
    match = STUDY.search(name.replace("\\", "/"))
    return name_order(match[1]) if match else ""


def name_order(number: str) -> str:
    """Return whether the patient has a prior study, by the number of a study; blank where that is none."""
    order = number.strip().removesuffix(".0")
    return PRIORS[int(order) > 1] if order.isdecimal() else ""


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
