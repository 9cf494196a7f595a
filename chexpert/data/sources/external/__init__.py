"""Data sets of other hospitals, read as they are distributed: labels by name, patients together, boxes as masks."""

from collections.abc import Iterator
from pathlib import Path

from chexpert.data.sources.external.external_set import ExternalSet
from chexpert.data.sources.external.layout import ExternalLayout
from chexpert.data.sources.external.mimic import MimicCxrJpg
from chexpert.data.sources.external.nih import NihChestXray14
from chexpert.data.sources.external.padchest import PadChest
from chexpert.data.sources.external.rsna import RsnaPneumonia
from chexpert.data.sources.external.vindr import VinDrCxr

SETS: dict[str, ExternalSet] = {
    data_set.variant: data_set
    for data_set in (NihChestXray14(), MimicCxrJpg(), VinDrCxr(), RsnaPneumonia(), PadChest())
}
"""The external data sets by variant."""


def detect_external(root: Path) -> Iterator[ExternalLayout]:
    """Yield the external data sets whose tables lie in a root."""
    for variant, data_set in SETS.items():
        if tables := data_set.find_tables(root):
            labelers = {name: tables[name] for name in data_set.labelers if name in tables}
            splits = data_set.list_splits(tables)
            yield ExternalLayout(data_set.name, variant, root, splits, {}, labelers, data_set=data_set, sources=tables)


__all__ = ["SETS", "ExternalLayout", "ExternalSet", "detect_external"]
