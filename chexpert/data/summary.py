"""Which data a run has seen, as its data.json says it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from chexpert.data.fingerprint import fingerprint
from chexpert.data.layout import Layout


def summarise_data(layout: Layout, frames: Mapping[str, pd.DataFrame], **settings: Any) -> dict[str, Any]:
    """The copy, how it was read, and every split with its counts and its fingerprint.

    The fingerprint is of the rows that were used, views and labels: two runs have seen the same split if, and only if,
    it is the same. It does not depend on the copy (small, full, AIMI) or on the order of its rows.
    """
    splits = {
        name: {
            "images": len(frame),
            "studies": len(frame[["patient", "study"]].drop_duplicates()),
            "patients": int(frame["patient"].nunique()),
            "fingerprint": fingerprint(frame),
        }
        for name, frame in frames.items()
    }
    return {"layout": layout.name, "folder": str(layout.folder), **settings, "splits": splits}
