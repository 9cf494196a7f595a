"""Which data a run has seen, as its data.json says it."""

from typing import Any

import pandas as pd

from chexpert.data.fingerprint import fingerprint
from chexpert.data.layout import Layout


def describe_source(layout: Layout, split: str, labeller: str | None) -> dict[str, str]:
    """Where a split was read, and whose labels it has."""
    labels = layout.find_labels(split, labeller).name
    return {"layout": layout.name, "folder": str(layout.folder), "labels": labels}


def summarise_split(frame: pd.DataFrame) -> dict[str, Any]:
    """Counts and fingerprint of the rows that were used, views and labels.

    Two runs have seen the same split if, and only if, the fingerprint is the same. It does not depend on the copy
    (small, full, AIMI) or on the order of its rows.
    """
    return {
        "images": len(frame),
        "studies": len(frame[["patient", "study"]].drop_duplicates()),
        "patients": int(frame["patient"].nunique()),
        "fingerprint": fingerprint(frame),
    }
