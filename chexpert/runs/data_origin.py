"""Whose images a run was trained or evaluated on: name, source of the labels, and terms, by what data.json says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chexpert.runs import files as run_files
from chexpert.runs.identifiers import SETS
from chexpert.runs.read import read_mapping_or_empty

OWN_TERMS = "the data set's own terms"


class DataOrigin(NamedTuple):
    """A data set: its name for people, its type for the Hub, where the labels are from, and its terms."""

    name: str
    type: str
    labels: str
    terms: str = OWN_TERMS


BY_PROGRAM = "are read from reports by a program"
BY_RADIOLOGISTS = "are radiologists' readings of the images"
CREDENTIALED = "PhysioNet's data use agreement for credentialed users"
CHEXPERT = DataOrigin("CheXpert", "chexpert", BY_PROGRAM, "its research-use agreement")
ORIGINS = {
    "nih": DataOrigin("NIH ChestX-ray14", "nih-chestx-ray14", BY_PROGRAM),
    "mimic": DataOrigin("MIMIC-CXR-JPG", "mimic-cxr-jpg", BY_PROGRAM, CREDENTIALED),
    "vindr": DataOrigin("VinDr-CXR", "vindr-cxr", BY_RADIOLOGISTS, CREDENTIALED),
    "rsna": DataOrigin("RSNA Pneumonia", "rsna-pneumonia", BY_RADIOLOGISTS),
    "padchest": DataOrigin("PadChest", "padchest", "are read from reports, by readers and by a program"),
}
"""By ``data.variant``; a name is also that of the layout in data.json. Terms are given where they are known here."""


def read_origin(data: Mapping[str, Any], config: Mapping[str, Any], split: str = "train") -> DataOrigin:
    """Return the data set of a split.

    Args:
        data: data.json.
        config: of the run, whose ``data.variant`` says it where no split does.
        split: where it is not recorded, any other one's layout is taken.
    """
    splits = data.get("splits") or {}
    recorded = [own.get("layout") for own in (splits.get(split), *splits.values()) if isinstance(own, Mapping)]
    layout = next((str(name) for name in recorded if name), "")
    for origin in ORIGINS.values():
        if layout == origin.name:
            return origin
    if "chexpert" in layout.lower():
        return CHEXPERT
    if layout:
        return DataOrigin(layout, "other", "are as the data set gives them")
    variant = (config.get("data") or {}).get("variant")
    return ORIGINS.get(str(variant), CHEXPERT)


def is_other_hospital(data: Mapping[str, Any], config: Mapping[str, Any], split: str) -> bool:
    """Return whether a split is of another data set than the training images."""
    return read_origin(data, config, split).name != read_origin(data, config).name


def read_folder(run: Path) -> str:
    """Return the folder that stands above the names of a run's training images; empty for CheXpert's own.

    Args:
        run: its folder, whose data.json says which data set it is.
    """
    origin = read_origin(read_mapping_or_empty(run / run_files.DATA), {})
    return next((SETS[variant].folder for variant, own in ORIGINS.items() if own == origin), "")
