"""Convert a file of weights to safetensors, or say why it cannot be read without running its code."""

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from chexpert.errors import UserError
from chexpert.models.fetch import make_state_command
from chexpert.models.pickle_globals import is_trusted, list_globals
from chexpert.models.weight_file import METADATA, first_line, read_weight_file
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import is_synthetic_metadata
from chexpert.weights import read_cards


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
    if not out.parent.is_dir():
        raise UserError(
            "no such folder",
            code="missing-file",
            where=str(out.parent),
            hint=f"mkdir -p {shlex.quote(str(out.parent))}",
        )
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
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        message = f"cannot be written: {first_line(error)}"
        raise UserError(message, code="write-failed", where=str(out), hint="free space, or another folder") from error
    return len(found)


def describe_origin(metadata: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Return the header of a converted checkpoint: whether its run saw CheXpert; mean and std are tensors."""
    if metadata is None:
        return None
    origin = {"synthetic": is_synthetic_metadata(metadata), "contamination": metadata.get("contamination")}
    return {METADATA: json.dumps(origin)}


def _explain(path: Path, error: UserError) -> UserError:
    """Add the way to a state dict, where the file calls nothing but what public weights do."""
    names = list_globals(path) if path.suffix != ".safetensors" else []
    libraries = {card.library for card in read_cards().values() if card.library}
    if not names or not all(is_trusted(name, libraries) for name in names):
        return error
    hint = (
        "make a state dict where the library of these classes is installed, if you trust the file: "
        f"{make_state_command(str(path))}"
    )
    return UserError(error.message, code=error.code, where=error.where, hint=hint)
