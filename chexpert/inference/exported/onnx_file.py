"""A model as a file of ONNX."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.export import ExportedProgram

from chexpert.errors import UserError
from chexpert.inference.exported.digest import EMPTY, KEY, seal
from chexpert.inference.exported.metadata import write_canonical
from chexpert.inference.exported.trace import name_layer, quiet, unsupported

PREFIX = "chexpert."
"""Of the keys in ``metadata_props``."""
LARGEST = 2 * 10**9
"""Bytes of a file of ONNX, nearly: protobuf's limit."""


def make_onnx(program: ExportedProgram, outputs: list[str]) -> Any:
    """Return the model of ONNX (``onnx.ModelProto``) of a traced graph.

    Raises:
        UserError: an operator is unknown to ONNX; the layer is named.
    """
    try:
        with quiet():
            found = torch.onnx.export(program, dynamo=True, output_names=outputs, verbose=False)
    except Exception as error:  # torch raises many kinds
        raise unsupported(name_layer(program, error), error) from error
    assert found is not None
    return strip_notes(found.model_proto)


def strip_notes(model: Any) -> Any:
    """Remove what torch notes on every node for its developers: lines of code with the paths of this machine."""
    for part in (model.graph, *model.functions):
        del part.metadata_props[:]
        for node in part.node:
            del node.metadata_props[:]
            node.doc_string = ""
    for value in model.graph.value_info:
        del value.metadata_props[:]
    return model


def get_opset(model: Any) -> int:
    """Return the version of ONNX's operators."""
    return next(own.version for own in model.opset_import if own.domain in ("", "ai.onnx"))


def write_with_metadata(model: Any, metadata: Mapping[str, Any]) -> bytes:
    """Return the content of the file: the model, its metadata and the digest of all."""
    del model.metadata_props[:]
    entries = {PREFIX + key: value for key, value in write_canonical(metadata).items()}
    for key, value in (entries | {KEY: EMPTY}).items():
        model.metadata_props.add(key=key, value=value)
    if model.ByteSize() > LARGEST:
        message = f"the model takes {model.ByteSize() / 1e9:.1f} GB, and a file of ONNX at most 2 GB"
        raise UserError(message, code="not-built", where="--to onnx", hint="--to pt2, or --precision fp16")
    return seal(model.SerializeToString(deterministic=True))
