"""The gate of a run where its model predicts."""

import hashlib
import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chexpert.checkpoints import Loaded
from chexpert.data import Preprocessing
from chexpert.data.preprocessing import LEAST_SIDE
from chexpert.errors import UserError
from chexpert.explain.quality.cost import hash_weights
from chexpert.gate import CheckedPreprocessing, Gate, check_weights, read_gate
from chexpert.inference.output_folder import find_home
from chexpert.models import Model
from chexpert.models.pooled_features import PooledFeatures
from chexpert.runs import files as run_files


@dataclass(frozen=True)
class Gating:
    """How images are checked while they are predicted.

    Attributes:
        gate: None: they are not, beyond what reading them shows.
        refuses: whether flagged images get no probabilities.
        digest: of the file of the gate; flags of another one are not those of this.
        missing: why there is no gate, where one would have been used.
    """

    gate: Gate | None = None
    refuses: bool = False
    digest: str = ""
    missing: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """What a stopped command must have in common with the one that resumes it."""
        return {"gate": self.digest} if self.gate else {}

    def choose_reader(self, preprocessing: Preprocessing) -> Preprocessing:
        """Return the preprocessing that also checks size and pixels, to the same images."""
        kind = CheckedPreprocessing if self.gate else Preprocessing
        return kind(preprocessing.size, preprocessing.fit, LEAST_SIDE)

    def watch(self, model: Model) -> Any:
        """Return the context in which the features of a batch are kept; nothing is kept without a gate."""
        return PooledFeatures(model) if self.gate else nullcontext()

    def add_flags(
        self, names: Sequence[str], flagged: Sequence[tuple[str, str]], images: torch.Tensor, pooled: Any
    ) -> dict[int, str]:
        """Return why each flagged image of a batch is flagged, by its number.

        Args:
            names: numbers of the B images, as texts.
            flagged: numbers of images, and what reading them showed.
            images: (B, 1, H, W) uint8, on the CPU.
            pooled: what :meth:`watch` has kept of their pass.
        """
        found = {int(name): [why] for name, why in flagged}
        if self.gate:
            reasons = self.gate.check(images[:, 0].numpy(), pooled.take().numpy())
            for name, own in zip(names, reasons, strict=True):
                if own:
                    found[int(name)] = [*found.get(int(name), []), *own]
        return {number: "; ".join(why) for number, why in found.items()}


NO_GATE = Gating()


def open_gating(run: Path, loaded: Loaded, mode: str) -> Gating:
    """Open the gate of a run, or of a checkpoint.

    Args:
        run: the run folder, or a checkpoint.
        loaded: its model.
        mode: ``flag``, ``refuse`` or ``off``.

    Raises:
        UserError: the gate is damaged or of another model, or there is none and ``mode`` is ``refuse``.
    """
    if mode == "off":
        return NO_GATE
    home = find_home(run)
    path = home / run_files.GATE
    missing = "" if path.is_file() else "no gate, so no image is checked for being a frontal radiograph"
    if not missing:
        gate = read_gate(path)
        weights = hash_weights(loaded.model)
        if run.is_dir() or run.stem == run_files.BEST or gate.weights == weights:
            check_weights(gate, weights, path)
        else:
            missing = "the gate is of the run's best weights, so no image is checked by it"
    if missing:
        if mode == "refuse":
            raise UserError(missing, code="missing-file", where="--gate refuse", hint=_find_hint(run, home))
        return Gating(missing=f"{missing}; {_find_hint(run, home)}")
    return Gating(gate, mode == "refuse", hashlib.sha256(path.read_bytes()).hexdigest()[:16])


def _find_hint(run: Path, home: Path) -> str:
    if (home / run_files.GATE).is_file():
        return f"predict by the run: {home}"
    if not run_files.checkpoint(home).is_file():
        return f"put {run_files.GATE} of the run beside the weights, or --gate off"
    return f"fit one: {shlex.join(['chexpert', 'gate', str(home)])}"
