"""The label tables of CheXpert, its test set and its alternative labelers."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from chexpert.data.phantom.layouts import PhantomLayout
from chexpert.data.phantom.tables.cohort import Entry
from chexpert.observations import OBSERVATIONS

LABELERS = ("cheXbert", "visualCheXbert")


def write_tables(root: Path, layout: PhantomLayout, splits: Mapping[str, Sequence[Entry]], *, labelers: bool) -> None:
    """Write the table of each split, and what stands beside it."""
    for split, entries in splits.items():
        path = root / layout.tables[split]
        if split == "test":
            write_rows(path, [{"Path": layout.csv_path(entry.place)} | dict(entry.labels) for entry in entries])
            _write_ground_truth(path.with_name("groundtruth.csv"), entries)
        else:
            write_rows(path, [_row(layout, entry, entry.labels) for entry in entries])
        for labeler in LABELERS if labelers and split == "train" else ():
            rows = [_row(layout, entry, entry.readings[labeler]) for entry in entries]
            write_rows(root / f"{layout.labelers}train_{labeler}.csv", rows)


def write_truth(path: Path, entries: Iterable[Entry]) -> None:
    """Write what every radiograph truly shows, also in train: the place of the view and 14 x 0 or 1."""
    truths = [
        {"Path": f"{entry.place}.jpg"} | {name: label[0] for name, label in entry.readings["truth"].items()}
        for entry in entries
    ]
    write_rows(path, truths)


def write_rows(path: Path, rows: Sequence[Mapping[str, str]], *, last: str = "\n") -> None:
    """Write a CSV file of equal rows; `last` ends its last line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        if not last:
            file.truncate(file.tell() - 1)


def _row(layout: PhantomLayout, entry: Entry, labels: Mapping[str, str]) -> dict[str, str]:
    """CheXpert's 19 columns."""
    return {
        "Path": layout.csv_path(entry.place),
        "Sex": entry.sex,
        "Age": str(entry.age),
        "Frontal/Lateral": entry.kind,
        "AP/PA": entry.position,
    } | {name: labels[name] for name in OBSERVATIONS}


def _write_ground_truth(path: Path, entries: Sequence[Entry]) -> None:
    """Write groundtruth.csv: a row a study, no line end at its end (as in rajpurkarlab/cheXpert-test-set-labels)."""
    studies = {f"CheXpert-v1.0/{entry.study}": entry.labels for entry in entries}
    write_rows(path, [{"Study": study} | dict(labels) for study, labels in studies.items()], last="")
