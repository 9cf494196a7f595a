"""What the maps of an explainer cost: seconds and peak memory."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from chexpert.explain.attribution import Explainer
from chexpert.models import Model
from chexpert.peak_memory import read_device_peak, read_process_peak, reset_device_peak, reset_process_peak


@contextmanager
def measuring(device: torch.device) -> Iterator[dict[str, Any]]:
    """Measure the work within the context.

    The peak of the process holds the model, the images and all libraries: on a CPU that is what a machine must have,
    and no share of it can be ascribed to the explainer alone.

    Args:
        device: of the model.

    Yields:
        A mapping that is filled at the end: ``seconds``, and ``peak_memory_mib`` with ``process`` (resident, None where
        the system does not count it) and ``device`` (tensors on a GPU of CUDA, None elsewhere).
    """
    found: dict[str, Any] = {}
    reset_process_peak()
    reset_device_peak(device)
    _wait(device)
    begun = time.perf_counter()
    yield found
    _wait(device)
    found["seconds"] = time.perf_counter() - begun
    peaks = {"process": read_process_peak(), "device": read_device_peak(device)}
    found["peak_memory_mib"] = {name: None if peak is None else round(peak, 1) for name, peak in peaks.items()}


def describe_cost(explainer: Explainer, outputs: Sequence[Sequence[int]], found: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of quality.json from a measurement of all maps of some outputs of each view."""
    maps = sum(map(len, outputs))
    passes = sum(explainer.passes(len(own)) for own in outputs)
    return {
        "maps": maps,
        "seconds_per_map": round(found["seconds"] / maps, 5) if maps else None,
        "passes_per_map": round(passes / maps, 2) if maps else None,
        "memory_limit_mib": getattr(getattr(explainer, "probe", None), "memory", None),
        "peak_memory_mib": found["peak_memory_mib"],
    }


def hash_weights(model: Model) -> str:
    """Return a digest of a model's weights, by which two folders of explanations are known to be of one model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _wait(device: torch.device) -> None:
    """Wait for the work of a GPU, which returns before it is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
