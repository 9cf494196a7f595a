"""Faults planted in a phantom, for readers and audits to find: one of each kind that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.data.phantom.tables.cohort import Entry
from chexpert.errors import UserError

Splits = dict[str, list[Entry]]


@dataclass(frozen=True)
class PlantedDefect:
    """What is wrong (`kind`), where it is listed (`split`, `path` as the table spells it), and the image (`file`)."""

    kind: str
    split: str
    path: str
    file: str


def plant_rows(splits: Splits, layout: str, kinds: Sequence[str]) -> tuple[Splits, list[PlantedDefect]]:
    """Return the splits with the defects that are rows.

    These are a repeated row, and a valid patient's images listed in train too.
    """
    planted: list[PlantedDefect] = []
    splits = {split: list(entries) for split, entries in splits.items()}
    if "duplicate" in kinds:
        split = _first(splits, 1, "duplicate")
        repeated = next(entry for entry in splits[split] if not entry.radiograph.lateral)
        splits[split].append(repeated)
        planted.append(_name("duplicate", layout, repeated))
    if "shared" in kinds:
        if not (splits.get("train") and splits.get("valid")):
            raise UserError(
                "a shared patient needs train and valid", code="conflict", where="defects", hint="leave out: shared"
            )
        patient = splits["valid"][0].radiograph.patient
        shared = [replace(entry, split="train") for entry in splits["valid"] if entry.radiograph.patient == patient]
        shared = [replace(e, readings={**e.readings, "chexpert": e.readings["truth"]}) for e in shared]
        splits["train"] += shared
        planted += [_name("shared", layout, entry) for entry in shared]
    return splits, planted


def choose_files(splits: Splits, layout: str, kinds: Sequence[str]) -> list[PlantedDefect]:
    """Choose the faults that are files: one frontal radiograph to be missing, another one to be truncated."""
    chosen = []
    for kind, number in (("missing", 1), ("truncated", 2)):
        if kind in kinds:
            listed = splits[_first(splits, number + 1, kind)]
            frontals = {entry.place: entry for entry in listed if not entry.radiograph.lateral}
            chosen.append(_name(kind, layout, list(frontals.values())[number]))
    return chosen


def damage_files(root: Path, chosen: Sequence[PlantedDefect]) -> None:
    """Remove the written radiographs that are to be missing, and cut the truncated ones to half of their bytes."""
    for defect in chosen:
        file = root / defect.file
        if defect.kind == "missing":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _first(splits: Splits, least: int, kind: str) -> str:
    """The first split with enough frontal radiographs."""
    for split, entries in splits.items():
        if len({entry.place for entry in entries if not entry.radiograph.lateral}) >= least:
            return split
    raise UserError(
        f"too few radiographs to plant: {kind}",
        code="too-few",
        where="defects",
        hint=f"{least} frontal radiographs in a split",
    )


def _name(kind: str, layout: str, entry: Entry) -> PlantedDefect:
    lies = LAYOUTS[layout]
    return PlantedDefect(kind, entry.split, lies.csv_path(entry.place), lies.file(entry.place))
