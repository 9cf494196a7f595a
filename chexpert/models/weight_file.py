"""Read the tensors of a weight file by name, and the metadata of this project beside them; no code of it is run."""

import json
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open

from chexpert.errors import UserError
from chexpert.models.pickle_globals import list_globals
from chexpert.runs.read import read_mapping_or_empty

METADATA = "chexpert"
"""Key of the metadata in a checkpoint of this project, and in the header of a safetensors file made of one."""

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.\w+)$")
"""Names in torchvision's DenseNet weights, and in all that were trained from them, until 2018: norm.1 for norm1."""


SHOWN = 4
"""Classes that a message lists."""


class WeightFile(NamedTuple):
    """Tensors by name, and the metadata of the run that wrote them; None where no run of this project did."""

    tensors: dict[str, torch.Tensor]
    metadata: Mapping[str, Any] | None = None


def read_weight_file(path: Path) -> WeightFile:
    """Read a weight file, without running code from it.

    Names of nested entries are joined by dots, and are as today's networks have them.

    Raises:
        UserError: the file is damaged, holds more than tensors and plain values, or has two tensors of one name.
    """
    try:
        content, metadata = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except Exception as error:
        hint = "give a safetensors file or a plain state dict, as torch.save(network.state_dict(), PATH) writes it"
        raise UserError(_describe(path, error), code="unreadable-file", where=str(path), hint=hint) from error
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in _flatten(content):
        if name in tensors:
            hint = "save the weights of one network alone, each under a name of its own"
            raise UserError(f"two tensors are called {name}", code="other-weights", where=str(path), hint=hint)
        tensors[name] = tensor
    return WeightFile(tensors, metadata if isinstance(metadata, Mapping) else None)


def _describe(path: Path, error: Exception) -> str:
    """Why a file cannot be read; torch's own words would advise to run its code."""
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or first_line(error)}"
    names = [] if path.suffix == ".safetensors" else list_globals(path)
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"reading it would run code of {', '.join(names[:SHOWN])}{more}"
    return "no weight file that can be read: it is damaged, or of another kind"


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """The metadata of a run's own best.safetensors stand in best.json, those of a converted checkpoint in the file."""
    with safe_open(path, "pt") as file:
        header = (file.metadata() or {}).get(METADATA)
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    beside = read_mapping_or_empty(path.with_suffix(".json"))
    return tensors, json.loads(header) if header else beside if "observations" in beside else None


def _read_torch(path: Path) -> tuple[Any, Any]:
    with torch.serialization.safe_globals([Namespace]):  # the arguments in a checkpoint of timm's training
        content = torch.load(path, map_location="cpu", weights_only=True)
    return content, content.get(METADATA) if isinstance(content, Mapping) else None


def _flatten(content: Any, prefix: str = "", levels: int = 8) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, Mapping) and levels:  # a file may hold a mapping within itself
        for key, value in content.items():
            yield from _flatten(value, f"{prefix}.{key}".removeprefix("."), levels - 1)
    elif isinstance(content, torch.Tensor):
        yield OLD_DENSENET.sub(r"\1\2", prefix.replace("_orig_mod.", "")), content


def first_line(error: BaseException) -> str:
    """Return the message of an error, in one line; its kind where it has no message."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
