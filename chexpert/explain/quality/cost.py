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


class Cost:
    """The seconds and peak memory of an explainer's maps, which are made in several steps.

    The peak of the process holds the model, the images and all libraries: on a CPU that is what a machine must have,
    and no share of it can be ascribed to the explainer alone.

    Args:
        device: of the model.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds, self.maps = device, 0.0, 0
        self.peaks: dict[str, float | None] = {"process": None, "device": None}
        """MiB: resident memory of the process, and tensors on a GPU of CUDA; None where none is counted of a step."""

    @contextmanager
    def measuring(self, maps: int) -> Iterator[None]:
        """Measure a step that makes so many maps; one of none is not measured."""
        if not maps:
            yield
            return
        begun_anew = reset_process_peak()
        reset_device_peak(self.device)
        _wait(self.device)
        begun = time.perf_counter()
        yield
        _wait(self.device)
        self.seconds += time.perf_counter() - begun
        self.maps += maps
        process = read_process_peak() if begun_anew else None  # else it is the peak of the training before
        for name, peak in (("process", process), ("device", read_device_peak(self.device))):
            if peak is not None:
                self.peaks[name] = max(self.peaks[name] or 0.0, round(peak, 1))

    def describe(self, explainer: Explainer, outputs: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return the entries of quality.json; ``outputs`` are those of each scored view.

        Maps that were made before, for the pictures, are among ``maps`` and not in the seconds of one.
        """
        maps = sum(map(len, outputs))
        passes = sum(explainer.passes(len(own)) for own in outputs)
        return {
            "maps": maps,
            "seconds_per_map": round(self.seconds / self.maps, 5) if self.maps else None,
            "passes_per_map": round(passes / maps, 2) if maps else None,
            "memory_limit_mib": getattr(getattr(explainer, "probe", None), "memory", None),
            "peak_memory_mib": self.peaks,
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
