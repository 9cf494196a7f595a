"""The tables of CheXpert Plus (arxiv.org/abs/2405.19538): one CSV file with the reports, labels as JSON lines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from chexpert.data.phantom.tables.cohort import Entry
from chexpert.data.phantom.tables.label_tables import write_rows
from chexpert.data.random_streams import open_stream
from chexpert.observations import OBSERVATIONS

SECTIONS = {"report": None, "findings": "cheXbert", "impression": None}
"""Whose labels the file of a section holds: those of the split's table, or of another reader."""

GROUPS = {
    "race": ("White", "Asian", "Black or African American", "Other", "Unknown"),
    "ethnicity": ("Non-Hispanic/Non-Latino", "Hispanic/Latino", "Unknown"),
    "insurance_type": ("Medicare", "Private Insurance", "Medicaid", "Unknown"),
}
"""Values of columns of CheXpert Plus, here all equally frequent."""


def write_plus(root: Path, splits: Mapping[str, Sequence[Entry]]) -> None:
    """Write df_chexpert_plus_240401.csv and chexbert_labels/{report,findings,impression}_fixed.json."""
    entries = [entry for listed in splits.values() for entry in listed]
    write_rows(root / "df_chexpert_plus_240401.csv", [_row(entry) for entry in entries])
    folder = root / "chexbert_labels"
    folder.mkdir()
    for section, reader in SECTIONS.items():
        lines = [json.dumps(_labels(entry, reader)) for entry in entries]
        (folder / f"{section}_fixed.json").write_text("\n".join(lines) + "\n", encoding="utf-8")


def narrate(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the sections findings and impression of a report that states the labels."""
    sentences = {"1.0": "There is {}.", "0.0": "No {}, as before.", "-1.0": 'Possible "{}", cannot be excluded.'}
    said = [sentences[label].format(name.lower()) for name, label in labels.items() if label and name != "No Finding"]
    positive = [name for name, label in labels.items() if label == "1.0" and name != "No Finding"]
    impression = [f"{number}. {name.upper()}" for number, name in enumerate(positive, start=1)]
    return " ".join(said) or "Heart, lungs and pleura are normal.", "\n".join(impression or ["1. NO ACUTE DISEASE"])


def _row(entry: Entry) -> dict[str, str]:
    findings, impression = narrate(entry.labels)
    return {
        "path_to_image": f"{entry.place}.jpg",
        "path_to_dcm": f"{entry.place}.dcm",
        "frontal_lateral": entry.kind,
        "ap_pa": entry.position,
        "deid_patient_id": f"patient{entry.radiograph.patient:05}",
        "patient_report_date_order": str(entry.radiograph.study),
        "age": f"{entry.age}.0",
        "sex": entry.sex,
        **_sample_groups(entry.radiograph.seed, entry.radiograph.split, entry.radiograph.patient),
        "split": entry.split,
        "report": f"NARRATIVE:\nCHEST, {entry.kind.upper()}\n\nFINDINGS: {findings}\n\nIMPRESSION:\n{impression}\n",
        "section_findings": findings,
        "section_impression": impression,
    }


def _sample_groups(seed: int, split: str, patient: int) -> dict[str, str]:
    """Sample what the table says of a patient besides sex and age; nothing of the radiographs depends on it."""
    rng = open_stream(seed, split, patient, 0, 0, purpose="demographics")
    return {column: values[int(rng.integers(len(values)))] for column, values in GROUPS.items()}


def _labels(entry: Entry, reader: str | None) -> dict[str, object]:
    labels = entry.readings.get(reader or "", entry.labels)
    values = {name: float(labels[name]) if labels[name] else None for name in OBSERVATIONS}
    return {"path_to_image": f"{entry.place}.jpg", **values}
