"""Read the JSON and YAML files of a run folder, also those of older versions."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from chexpert.errors import UserError
from chexpert.runs import files as run_files
from chexpert.runs.config_keys import rename_keys, rename_overrides

HINT = "restore it from a copy, or run it again"


def read_mapping(path: Path, hint: str = HINT, *, required: bool = False) -> dict[str, Any]:
    """Return the mapping in a JSON or YAML file, by its ending; empty where the file is not there.

    Old keys of a config.yaml, and of the overrides in state.json and sweep.json, are renamed.

    Args:
        path: of the file.
        hint: of the error.
        required: whether a missing file is an error.

    Raises:
        UserError: the file is damaged, or is missing and required.
    """
    if not path.is_file():
        if required:
            raise UserError("missing", code="missing-file", where=str(path), hint=hint)
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)
    except OSError as error:
        raise UserError(
            f"cannot be read: {error.strerror}", code="unreadable-file", where=str(path), hint=hint
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(
            f"damaged: {str(error).partition(chr(10))[0]}", code="damaged-file", where=str(path), hint=hint
        ) from error
    if not isinstance(content, dict):
        raise UserError("damaged: no mapping", code="damaged-file", where=str(path), hint=hint)
    return _rename(path.name, content)


def read_mapping_or_empty(path: Path) -> dict[str, Any]:
    """Return the mapping in a file, empty where it is damaged too: for readers that report what is missing."""
    try:
        return read_mapping(path)
    except UserError:
        return {}


def read_config(run: Path) -> dict[str, Any]:
    """Return the config of a run folder; empty where the run ended before it wrote one.

    Raises:
        UserError: the file is damaged.
    """
    return read_mapping(run / run_files.CONFIG)


def read_state(folder: Path, name: str = run_files.STATE) -> dict[str, Any]:
    """Return the state in a run folder, or with ``run_files.SWEEP`` in a sweep folder; empty where there is none.

    Raises:
        UserError: the file is damaged.
    """
    return read_mapping(folder / name)


def read_explanations(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of a manifest that name a view and an observation."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for entry in content if isinstance(content, list) else []:
        known = isinstance(entry, Mapping) and {"view", "observation", "probability"} <= set(entry)
        if known and isinstance(entry["probability"], int | float):
            yield entry


def _rename(name: str, content: dict[str, Any]) -> dict[str, Any]:
    if name == run_files.CONFIG:
        return rename_keys(content)
    if name in (run_files.STATE, run_files.SWEEP) and isinstance(content.get("overrides"), list):
        return content | {"overrides": rename_overrides(content["overrides"])}
    return content
