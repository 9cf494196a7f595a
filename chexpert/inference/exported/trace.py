"""A module as a graph of torch's operators, with the layer in the message where one cannot be in it."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from chexpert.errors import UserError
from chexpert.image_size import ImageSize

LARGEST = 65_535
"""Pixels of a side: what a JPEG can have at most."""
LARGEST_BATCH = 4096
TYPES = {"uint8": torch.uint8, "float32": torch.float32}
"""Of the gray values that an exported file takes."""
NODE = re.compile(r"%(\w+)")


def trace(graph: nn.Module, size: ImageSize, kind: str = "uint8") -> ExportedProgram:
    """Return the operators of a :class:`.graph.Graph`, for any number of images of any size.

    Args:
        graph: in evaluation mode.
        size: of the model's input, which the example differs from.
        kind: of the gray values, a name of :data:`TYPES`.

    Raises:
        UserError: a layer does what depends on the values of an image, or on the size of a batch.
    """
    images = torch.zeros(2, size.height + 37, size.width + 11, dtype=TYPES[kind])
    sides = {1: Dim("height", min=2, max=LARGEST), 2: Dim("width", min=2, max=LARGEST)}
    shapes = {"images": {0: Dim("batch", min=1, max=LARGEST_BATCH), **sides}, "file_size": None}
    example = (images, torch.zeros(2, dtype=torch.int64))
    with quiet(), watch_layers(graph) as layers, torch.no_grad():
        try:
            return torch.export.export(graph, example, dynamic_shapes=shapes, strict=False)
        except UserError:
            raise
        except Exception as error:  # torch raises many kinds
            raise unsupported(layers[-1] if layers else "the model", error) from error


def name_layer(program: ExportedProgram, error: BaseException) -> str:
    """Return the layer of the node that an error of a translation names, by its path in the model."""
    nodes = {node.name: node for node in program.graph.nodes}
    chained: BaseException | None = error
    while chained is not None:
        for name in NODE.findall(str(chained)):
            if name in nodes and (stack := nodes[name].meta.get("nn_module_stack")):
                return list(stack.values())[-1][0] or "the model"
        chained = chained.__cause__
    return "the model"


def unsupported(layer: str, error: BaseException) -> UserError:
    """Return the error that names a layer which cannot be exported."""
    first = str(error).strip().partition("\n")[0]
    message = f"this layer cannot be exported: {type(error).__name__}: {first}"
    hint = "another --to, or another network: docs/how-to/export.md lists those that were exported"
    return UserError(message, code="not-built", where=layer, hint=hint)


@contextmanager
def watch_layers(model: nn.Module) -> Iterator[list[str]]:
    """List the names of the layers in the order in which they are called."""
    names = {module: name for name, module in model.named_modules()}
    called: list[str] = []

    def note(module: nn.Module, _: Any) -> None:
        if names.get(module):
            called.append(names[module])

    hook = nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield called
    finally:
        hook.remove()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the warnings of torch's exporter back: they are for its developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
