"""Whether images are synthetic: one answer for every command, from a phantom's record or from what a run recorded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty

MARK = "phantom/options.json"
"""The record that every phantom holds under its root, in any layout."""
ABOVE = 8
"""Folders above a place that are searched: an image below counterfactual/<observation>/ lies so deep in a phantom."""
WORDS = "synthetic images"
NOTE = "synthetic images: no result on them says anything about patients"
TRAINED = "trained on synthetic images: its outputs say nothing about patients"


def is_phantom(place: Path) -> bool:
    """Return whether a file or folder lies in a phantom, also through a link."""
    try:
        places = [place.expanduser().absolute(), place.expanduser().resolve()]
    except (
        OSError,
        RuntimeError,
        ValueError,
    ):  # a run may hold any text: no name of a file, no such home
        return False
    return any(_is_file(above / MARK) for own in places for above in _climb(own))


def is_synthetic_run(data: Mapping[str, Any], config: Mapping[str, Any], split: str | None = None) -> bool:
    """Return whether a split of a run, or any of its splits, has synthetic images.

    A run of a version that did not record it is known by its data root, and by the folders that are still there.

    Args:
        data: of its data.json; may be empty, as may ``config``.
        config: of its config.yaml.
        split: which; a name that the run has not is as none.

    >>> is_synthetic_run({"splits": {"train": {"synthetic": True}, "test": {"synthetic": False}}}, {}, "test")
    False
    >>> is_synthetic_run({}, {"data": {"root": {"_target_": "chexpert.data.find_phantom"}}})
    True
    """
    splits = {name: own for name, own in _mapping(data.get("splits")).items() if isinstance(own, Mapping)}
    found = [splits[split]] if split in splits else list(splits.values())
    if recorded := [own["synthetic"] for own in found if "synthetic" in own]:
        return any(own is True for own in recorded)
    root = _mapping(config.get("data")).get("root")
    if isinstance(root, Mapping):
        return str(root.get("_target_", "")).endswith("find_phantom")
    folders = [own.get("folder") for own in found] or [root]
    return any(is_phantom(Path(folder)) for folder in folders if folder and isinstance(folder, str))


def is_synthetic_metadata(metadata: Mapping[str, Any]) -> bool:
    """Return whether the weights of a checkpoint were trained on synthetic images, from its metadata."""
    return (
        metadata["synthetic"] is True if "synthetic" in metadata else is_synthetic_run({}, metadata.get("config", {}))
    )


def is_synthetic_path(path: Path) -> bool:
    """Return whether a file or folder belongs to a phantom, or to a run on one; the nearest of them decides.

    A file is taken for the split that it is called by: RUN/labels/test.csv is of the test split.
    """
    for above in _climb(path.absolute()):
        if any(_is_file(above / name) for name in (run_files.DATA, run_files.CONFIG)):
            data, config = (read_mapping_or_empty(above / name) for name in (run_files.DATA, run_files.CONFIG))
            return is_synthetic_run(data, config, path.stem)
        if _is_file(above / MARK):
            return True
    return is_phantom(path)


def _climb(place: Path) -> list[Path]:
    return [place, *place.parents[:ABOVE]]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be searched
        return False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
