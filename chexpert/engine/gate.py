"""Fits the gate of a run on its best weights, once they are evaluated."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from chexpert.console import NOTE, log
from chexpert.data import CheXpertDataModule
from chexpert.data.features import FORWARD
from chexpert.errors import UserError
from chexpert.explain.quality.cost import hash_weights
from chexpert.gate import TooFewImagesError, fit_gate, write_gate
from chexpert.models import Model, Probe
from chexpert.runs import files as run_files
from chexpert.training import find_device


def fit_run_gate(cfg: Mapping[str, Any], model: Model, data: CheXpertDataModule, folder: Path) -> None:
    """Write gate.safetensors, where a gate is asked for and the run has images to fit it on.

    A gate that cannot be fitted is a line in the output: the run is valid without one.
    """
    if cfg.get("gate") is None or "train" not in data.datasets:
        return
    before = next(model.parameters()).device
    try:
        with torch.random.fork_rng(devices=[]):
            model.to(find_device(cfg["trainer"].get("accelerator", "auto")))
            gate = fit_gate(
                model,
                data,
                weights=hash_weights(model),
                method=cfg["gate"],
                batch_size=min(data.batch_size, FORWARD) if isinstance(model, Probe) else data.batch_size,
                workers=data.num_workers,
            )
        write_gate(folder / run_files.GATE, gate)
    except TooFewImagesError as error:
        log.log(NOTE, error.message)
    except (UserError, OSError, RuntimeError, MemoryError) as error:  # a run that is done does not fail by it
        why = error.message if isinstance(error, UserError) else error
        log.warning(f"no gate: {why}; fit one later: {shlex.join(['chexpert', 'gate', str(folder)])}")
    finally:
        model.to(before)
