"""Which data a run has seen, as its data.json and labels/<split>.csv say it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chexpert.data.dataset import ViewDataset
from chexpert.data.fingerprint import fingerprint
from chexpert.data.frame import HEADER
from chexpert.data.layout import Layout
from chexpert.observations import OBSERVATIONS
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import is_phantom

LABEL = {1.0: "1.0", 0.0: "0.0"}  # otherwise there is none


def describe_source(layout: Layout, split: str, labeller: str | None) -> dict[str, Any]:
    """Where a split was read, whose labels it has, and whether its images are synthetic."""
    labels = layout.find_labels(split, labeller).name
    synthetic = is_phantom(layout.folder)
    return {"layout": layout.name, "folder": str(layout.folder), "labels": labels, "synthetic": synthetic}


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


def write_labels(
    path: Path, frame: pd.DataFrame, dataset: ViewDataset, observations: Sequence[str], views: Sequence[str]
) -> None:
    """Writes the labels by which views are judged, with what is known of each view, in CheXpert's columns.

    Args:
        path: of the file.
        frame: the rows of the split.
        dataset: of the same rows, with the labels as they are judged.
        observations: names of the dataset's C columns; of the others, uncertain labels are left blank.
        views: CSV paths of those that were judged, in the order of the file.
    """
    columns = {name: np.where(frame[name] == -1, np.nan, frame[name]) for name in OBSERVATIONS}
    judged = np.where(dataset.mask, dataset.targets, np.nan)
    columns |= dict(zip(observations, judged.T, strict=True))
    kinds = frame["projection"].str.partition("_")
    text = {name: [LABEL.get(value, "") for value in values.tolist()] for name, values in columns.items()}
    ages = ["" if np.isnan(age) else f"{age:.0f}" for age in frame["age"]]
    told = pd.DataFrame(
        {"Path": frame["path"], "Sex": frame["sex"], "Age": ages, "Frontal/Lateral": kinds[0].str.title()}
        | {"AP/PA": kinds[2].str.upper()} | text
    )  # fmt: skip
    rows = told[list(HEADER)].set_index("Path", drop=False).loc[list(views)]
    run_files.write_table(path, HEADER, rows.itertuples(index=False))
