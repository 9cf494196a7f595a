"""What is wrong with the tables of a copy: within a split, between splits, and against the published totals."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from chexpert.data.audit.counting import name_studies
from chexpert.data.audit.defect import Defect, warn
from chexpert.data.labels import find_scarce, hard_labels
from chexpert.data.sources.published_counts import PUBLISHED, find_differences
from chexpert.observations import OBSERVATIONS, PARENTS

# No pathologies: the first excludes them, and devices say nothing about them.
PATHOLOGIES = tuple(name for name in OBSERVATIONS if name not in ("No Finding", "Support Devices"))
RESTORE = "restore the table as Stanford gives it"
RARE = "expect wide intervals on it, or leave it out: observations=[...]"
"""Where blanks are masked, whatever labels.blank says."""


def find_shared_patients(frames: Mapping[str, pd.DataFrame], restore: str = RESTORE) -> Iterator[Defect]:
    """Yield patients who stand in two splits: a model would be evaluated on people whom it has seen."""
    for (one, first), (two, second) in combinations(frames.items(), 2):
        for patient in sorted(set(first["patient"]) & set(second["patient"])):
            message = f"in {one} and in {two}"
            yield Defect("shared_patient", patient, message, f"remove the patient from {one}, or {restore}")


def find_contradictions(
    frame: pd.DataFrame, restore: str = RESTORE, *, by_labeler: bool = True
) -> Iterator[Defect]:  # fmt: skip
    """Yield labels that contradict each other: in a study, of a child and its parent, of No Finding and others.

    Args:
        frame: of a split.
        restore: the advice for a table that is damaged.
        by_labeler: whether labels follow the rules of CheXpert's labeler: those of other data sets do not.
    """
    yield from find_label_conflicts(frame, restore)
    if by_labeler:
        yield from find_hierarchy_violations(frame)
        yield from find_impossible_no_finding(frame, restore)


def find_label_conflicts(frame: pd.DataFrame, restore: str = RESTORE) -> Iterator[Defect]:
    """Yield studies whose views have different labels: CheXpert labels reports, and a study has one."""
    study = name_studies(frame)
    labels = frame[list(OBSERVATIONS)].fillna(2)  # blank is a state of its own
    labels["study"] = study.to_numpy()
    first = labels.groupby("study", sort=False)[list(OBSERVATIONS)].transform("first")
    differs = labels[list(OBSERVATIONS)].to_numpy() != first.to_numpy()
    rows = pd.DataFrame(differs, columns=list(OBSERVATIONS)).groupby(study.to_numpy(), sort=False).any()
    for name, row in rows[rows.any(axis=1)].iterrows():
        message = "its views differ in " + ", ".join(row.index[row])
        yield Defect("label_conflict", str(name), message, f"give all views of the study one label, or {restore}")


def find_hierarchy_violations(frame: pd.DataFrame) -> Iterator[Defect]:
    """Yield pairs of which the child is positive and the parent negative; CheXpert's own train.csv has them."""
    for child, parent in PARENTS.items():
        wrong = frame[(frame[child] == 1) & (frame[parent] == 0)]
        if len(wrong):
            message = f"{child} is positive and {parent} negative in {len(wrong):,} images"
            hint = "let labels.propagate=true make the parents of positive children positive"
            yield warn("hierarchy", wrong["key"].iloc[0], message, hint)


def find_impossible_no_finding(frame: pd.DataFrame, restore: str = RESTORE) -> Iterator[Defect]:
    """Yield No Finding beside a pathology; or, in labels read from reports, other than positive or blank."""
    none, pathologies = frame["No Finding"], frame[list(PATHOLOGIES)].to_numpy("float32")
    cases = [("No Finding is positive beside a positive pathology", (none == 1) & (pathologies == 1).any(1))]
    if (frame[list(OBSERVATIONS)] == -1).to_numpy().any():  # not the radiologists' labels of valid and test
        cases.append(("No Finding is negative or uncertain, which CheXpert's labeler never says", none.isin([0, -1])))
    for message, where in cases:
        wrong = frame[where]
        if len(wrong):
            yield warn("no_finding", wrong["key"].iloc[0], f"{message}, in {len(wrong):,} images", restore)


def find_scarce_labels(frame: pd.DataFrame, *, by_labeler: bool = True) -> Iterator[Defect]:
    """Yield observations of which a policy that ignores blanks would leave almost no negatives, or no positives."""
    for name, (positives, negatives) in find_scarce(*hard_labels(frame, OBSERVATIONS), OBSERVATIONS).items():
        if not positives + negatives:
            yield warn("no_labels", name, "nowhere 1 or 0", "leave it out: observations=[...]")
            continue
        kind = "few_negatives" if negatives < positives else "few_positives"
        message = f"with its blanks ignored it has {positives:,.0f} positives and {negatives:,.0f} negatives"
        yield warn(kind, name, message, "give blanks a target: labels.blank=zeros" if by_labeler else RARE)


def compare_published(counts: Mapping[str, Any], split: str) -> Iterator[Defect]:
    """Yield differences from the published totals, if a split has the size of the whole one; a warning if not."""
    if is_whole(counts, split):
        for difference in find_differences(counts, split):
            yield Defect("counts", split, difference, RESTORE)
    else:
        message = f"not the whole CheXpert: {counts['images']:,} of {PUBLISHED[split]['images']:,} images"
        yield warn("counts", split, message, "if the whole CheXpert is meant, the file is cut: restore it")


def is_whole(counts: Mapping[str, Any], split: str) -> bool:
    """Return whether a split has the images, studies and patients of the published one, each within 1 %."""
    return all(np.isclose(counts[key], PUBLISHED[split][key], rtol=0.01) for key in ("images", "studies", "patients"))
