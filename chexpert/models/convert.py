"""Convert a file of weights to safetensors, or say why it cannot be read without running its code."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from chexpert.errors import UserError
from chexpert.models.fetch import MAKE_STATE
from chexpert.models.weight_file import METADATA, read_weight_file
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import is_synthetic_metadata


def convert(source: Path, out: Path) -> int:
    """Write the tensors of a file as safetensors, under their names; nested names are joined by dots.

    Args:
        source: state dict, checkpoint, or safetensors; no code of it is run.
        out: a new file, whose name ends with .safetensors.

    Returns:
        Number of tensors.

    Raises:
        UserError: the file holds objects that are made by running code, or no tensor; or ``out`` is there, or cannot
            be written.
    """
    if out.suffix != ".safetensors":
        raise UserError("no name of a safetensors file", code="file-name", where=str(out), hint=f"{out}.safetensors")
    if out.exists():
        raise UserError("there is such a file", code="not-empty", where=str(out), hint="another name, or remove it")
    if not source.is_file():
        raise UserError("no such file", code="missing-file", where=str(source), hint="the path of a file of weights")
    try:
        found, metadata = read_weight_file(source)
    except UserError as error:
        raise _explain(source, error) from error
    if not found:
        raise UserError("no tensors in it", code="other-weights", where=str(source), hint="a file of weights")
    part = out.with_name(out.name + run_files.PART)
    try:
        tensors = {name: tensor.detach().contiguous().clone() for name, tensor in found.items()}
        save_file(tensors, part, describe_origin(metadata))
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        message = f"cannot be written: {error.strerror or error}"
        raise UserError(message, code="write-failed", where=str(out), hint="free space, or another folder") from error
    return len(found)


def describe_origin(metadata: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Return the header of a converted checkpoint: whether its run saw CheXpert; mean and std are tensors."""
    if metadata is None:
        return None
    origin = {"synthetic": is_synthetic_metadata(metadata), "contamination": metadata.get("contamination")}
    return {METADATA: json.dumps(origin)}


def list_objects(path: Path) -> list[str]:
    """Return the classes and functions that a file of torch would call, without calling them; empty if unknown."""
    with suppress(Exception):  # a damaged file, or one of before 2020, whose pickles are not in a zip file
        if zipfile.is_zipfile(path):
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    return []


def _explain(path: Path, error: UserError) -> UserError:
    objects = list_objects(path)
    if not objects:
        return error
    message = f"{path.name} is no state dict: reading it would run code of {', '.join(_shorten(objects))}"
    hint = (
        "make a state dict where the library of these classes is installed, if you trust the file: "
        f'python -c "{MAKE_STATE}" {path} state.pt'
    )
    return UserError(message, code="unreadable-file", where=str(path), hint=hint)


def _shorten(names: list[str], shown: int = 4) -> Iterator[str]:
    yield from names[:shown]
    if len(names) > shown:
        yield f"{len(names) - shown} more"
