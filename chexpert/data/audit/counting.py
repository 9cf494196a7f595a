"""How much there is in a split, in the form of `chexpert.data.sources.published_counts.PUBLISHED`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from chexpert.observations import COMPETITION, OBSERVATIONS, PARENTS, STATES


def count_split(frame: pd.DataFrame) -> dict[str, Any]:
    """Count images, studies, patients, views, label states, sex and age.

    Args:
        frame: one row a view, as `chexpert.data.sources.frame.read_frame` gives it.

    Returns:
        ``images, studies, patients, frontals``; the numbers of the ``first_patient`` and the ``last_patient``;
        ``views`` by projection, ``view_files`` by name, ``views_per_study``; ``labels`` (of all images),
        ``labels_of_frontals`` and ``labels_by_study`` (of each study's first view): {observation: {positive,
        uncertain, negative, blank}}; ``rows_with`` an uncertain label or blanks throughout; ``parents_of_positives``,
        the states of an observation's parent where it is positive itself; ``sex``; ``age`` in years.
    """
    study = name_studies(frame)
    frontal = frame["projection"].str.startswith("frontal").to_numpy(bool)
    per_study, per_patient = study.value_counts(), frame["patient"].value_counts()
    return {
        "images": len(frame),
        "studies": len(per_study),
        "patients": len(per_patient),
        "frontals": int(frontal.sum()),
        "views": _count(frame["projection"]),
        "view_files": _count(frame["view"][frame["view"].str.startswith("view")]),  # of CheXpert alone
        "views_per_study": _count(per_study.astype(str)),
        "first_patient": _number(frame["patient"].min()),
        "last_patient": _number(frame["patient"].max()),
        "most_images_of_a_patient": int(per_patient.max()) if len(frame) else 0,
        "studies_without_frontal": len(per_study) - study[frontal].nunique(),
        "patients_without_frontal": len(per_patient) - frame["patient"][frontal].nunique(),
        "labels": count_labels(frame),
        "labels_of_frontals": count_labels(frame[frontal]),
        "labels_by_study": count_labels(frame[~study.duplicated()]),
        "rows_with": _count_rows(frame),
        "parents_of_positives": {
            child: count_labels(frame[frame[child] == 1], [parent])[parent] for child, parent in PARENTS.items()
        },
        "sex": _count(frame["sex"].replace("", "not given")),
        "age": _describe_age(frame["age"]),
    }


def name_studies(frame: pd.DataFrame) -> pd.Series:
    """Return a name for the study of each row: of CheXpert the key without the view."""
    return frame["split"] + "/" + frame["patient"] + "/" + frame["study"]


def count_labels(frame: pd.DataFrame, observations: Sequence[str] = OBSERVATIONS) -> dict[str, dict[str, int]]:
    """Count rows by observation and state.

    Args:
        frame: table with a column for each observation, in {1, 0, -1, NaN}.
        observations: names of the observations to count.

    Returns:
        {observation: {positive, uncertain, negative, blank}}.
    """
    labels = frame[list(observations)].to_numpy("float32")
    counts = [(labels == 1).sum(0), (labels == -1).sum(0), (labels == 0).sum(0), np.isnan(labels).sum(0)]
    table = np.stack(counts, 1).tolist()
    return {name: dict(zip(STATES, row, strict=True)) for name, row in zip(observations, table, strict=True)}


def _count_rows(frame: pd.DataFrame) -> dict[str, int]:
    """Rows with an uncertain label, and rows that are blank throughout; of the 14 and of the competition's five."""
    counts = {}
    for name, columns in (("all", OBSERVATIONS), ("five", COMPETITION)):
        labels = frame[list(columns)].to_numpy("float32")
        counts[f"uncertain_of_{name}"] = int((labels == -1).any(1).sum())
        counts[f"blank_in_{name}"] = int(np.isnan(labels).all(1).sum())
    return counts


def _describe_age(age: pd.Series) -> dict[str, float | None]:
    """Range and median of the known ages; 0 stands for unknown in CheXpert, and 90 for 90 and more."""
    known = age.dropna()
    adult = known[known > 0]
    return {
        "known": len(known),
        "zero": int((known == 0).sum()),
        "from_1_to_17": int(adult.between(1, 17).sum()),
        "least": _whole(adult, "min"),
        "median": _whole(adult, "median"),
        "greatest": _whole(adult, "max"),
        "at_90": int((known == 90).sum()),
    }


def _whole(age: pd.Series, statistic: str) -> float | None:
    return float(age.agg(statistic)) if len(age) else None


def _number(patient: object) -> int | None:
    """The number in patient00001; None of an empty split, or where patients are called otherwise."""
    number = patient.removeprefix("patient") if isinstance(patient, str) else ""
    return int(number) if number.isdecimal() else None


def _count(column: pd.Series) -> dict[str, int]:
    values: Sequence[str] = sorted(column.unique())
    counts = column.value_counts()
    return {str(value): int(counts[value]) for value in values}
