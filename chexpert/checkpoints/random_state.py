"""The states of the random generators of training."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch


def gather_random(trainer: pl.Trainer) -> list[dict[str, Any]]:
    """Return the random states of all processes by rank."""
    states = collect_random()
    if trainer.world_size == 1:
        return [states]
    gathered: list[dict[str, Any]] = [{} for _ in range(trainer.world_size)]
    torch.distributed.all_gather_object(gathered, states)
    return gathered


def collect_random() -> dict[str, Any]:
    """Return the random states of this process as plain containers."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state, whoever uses it
    apple = {"mps": torch.mps.get_rng_state()} if torch.backends.mps.is_available() else {}
    return apple | {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,  # of this process's own device
    }


def restore_random(states: Mapping[str, Any]) -> None:
    """Restore the states of :func:`collect_random`; a device that was not there keeps its own state."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(states["numpy"]))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])
