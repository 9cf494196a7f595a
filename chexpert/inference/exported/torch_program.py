"""A model as a program of torch (.pt2), which torch runs without this project."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from chexpert.inference.exported.digest import KEY, compute_archive_digest
from chexpert.inference.exported.metadata import write_canonical
from chexpert.inference.exported.trace import quiet

PREFIX = "chexpert."


def write_program(program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a program with its metadata and the digest of all, as ``extra_files``.

    It is written twice, since the digest is of the file: the parts of both are the same.
    """
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # lines of code with the paths of this machine
    entries = {PREFIX + key: value for key, value in write_canonical(metadata).items()}
    with quiet():
        torch.export.save(program, path, extra_files=entries)
        digest = compute_archive_digest(path)
        torch.export.save(program, path, extra_files=entries | {KEY: digest})
    if compute_archive_digest(path) != digest:
        raise RuntimeError("torch wrote two different files of one program")
