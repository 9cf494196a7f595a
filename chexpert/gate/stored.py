"""The gate in a run folder: gate.safetensors, numbers only, bound to the weights."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from chexpert.errors import UserError
from chexpert.gate.feature_distance import METHODS, FeatureDistance
from chexpert.gate.gate import Gate
from chexpert.gate.view_check import ViewCheck
from chexpert.metrics.distances import Gaussian
from chexpert.runs import files as run_files
from chexpert.runs.gate_facts import GATE_METADATA, read_gate_facts

FORMAT = 1
HINT = "fit it again: chexpert gate RUN --replace"


def write_gate(path: Path, gate: Gate) -> None:
    """Write a gate, whole or not at all."""
    tensors = {"view/weights": gate.view.weights, "view/bias": gate.view.bias, "view/limits": gate.view.limits}
    if (gaussian := gate.distance.gaussian) is not None:
        tensors |= {"distance/mean": gaussian.mean, "distance/scale": gaussian.scale}
        tensors |= {"distance/directions": gaussian.directions, "distance/variances": gaussian.variances}
    if gate.distance.reference is not None:
        tensors["distance/reference"] = gate.distance.reference
    content = {
        "format": FORMAT,
        "weights": gate.weights,
        "kinds": gate.view.kinds,
        "method": gate.distance.method,
        "limit": gate.distance.limit,
        "rest": gaussian.rest if gaussian else None,
        "facts": dict(gate.facts),
    }
    small = {name: np.ascontiguousarray(values, np.float32) for name, values in tensors.items()}
    part = path.with_name(path.name + run_files.PART)
    try:
        part.write_bytes(save(small, {GATE_METADATA: json.dumps(content)}))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        message = f"the gate cannot be written: {error.strerror}"
        raise UserError(
            message, code="write-failed", where=str(path), hint="free space, or make it writable"
        ) from error


def read_gate(path: Path) -> Gate:
    """Read a gate.

    Raises:
        UserError: there is none, it is damaged, or a newer version wrote it.
    """
    if not path.is_file():
        hint = f"fit one: {shlex.join(['chexpert', 'gate', str(path.parent)])}"
        raise UserError("this run has no gate", code="missing-file", where=str(path), hint=hint)
    try:
        content, tensors = read_gate_facts(path), load(path.read_bytes())
        if int(content["format"]) > FORMAT:
            message = "a newer version of chexpert wrote this gate"
            raise UserError(message, code="newer-version", where=str(path), hint="update chexpert")
        gate = _build(content, {name: values.astype(np.float64) for name, values in tensors.items()})
        _check(gate)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        message = f"this gate is damaged: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise UserError(message, code="damaged-file", where=str(path), hint=HINT) from error
    return gate


def check_weights(gate: Gate, weights: str, path: Path) -> None:
    """Check that a gate was fitted for these weights.

    Raises:
        UserError: it is of another model.
    """
    if gate.weights != weights:
        message = "this gate is of another model: the digests of the weights differ"
        raise UserError(message, code="other-weights", where=str(path), hint=HINT)


def _build(content: dict[str, Any], tensors: dict[str, np.ndarray]) -> Gate:
    view = ViewCheck(
        tuple(content["kinds"]), tensors["view/weights"], tensors["view/bias"], tensors["view/limits"]
    )  # fmt: skip
    gaussian = reference = None
    if content["method"] == "mahalanobis":
        parts = {name: tensors[f"distance/{name}"] for name in ("mean", "scale", "directions", "variances")}
        gaussian = Gaussian(**parts, rest=float(content["rest"]))
    else:
        reference = tensors["distance/reference"]
    distance = FeatureDistance(content["method"], float(content["limit"]), gaussian, reference)
    return Gate(str(content["weights"]), view, distance, dict(content["facts"]))


def _check(gate: Gate) -> None:
    """Check the shapes and numbers of a gate that was read.

    Raises:
        ValueError: they do not fit each other.
    """
    view, distance = gate.view, gate.distance
    kinds = len(view.kinds)
    whole = view.weights.ndim == 2 and len(view.weights) == len(view.bias) == len(view.limits) == kinds
    numbers = [view.weights, view.bias, view.limits]
    if (one := distance.gaussian) is not None:
        whole = (
            whole and one.directions.shape == (len(one.variances), len(one.mean)) and len(one.scale) == len(one.mean)
        )
        whole = whole and one.rest > 0 and bool((one.variances > 0).all())
        numbers += [one.mean, one.directions]
    if distance.reference is not None:
        whole = whole and distance.reference.ndim == 2
        numbers.append(distance.reference)
    if not whole or distance.method not in METHODS or not all(np.isfinite(values).all() for values in numbers):
        raise ValueError("its numbers do not fit each other")
