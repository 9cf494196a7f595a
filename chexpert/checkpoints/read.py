"""Read checkpoints: their metadata and weights, and the trained model in them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors.torch import load_file

from chexpert.checkpoints.fitted import Fitted, get_fitted
from chexpert.checkpoints.hub import get_local_path
from chexpert.checkpoints.io import load_content
from chexpert.checkpoints.metadata import FORMAT, get_output_head, without_pretrained
from chexpert.config import TARGET, build, check_targets, find_checkpoint
from chexpert.data import Preprocessing
from chexpert.errors import UserError, raise_errors
from chexpert.evaluation import Calibration, Thresholds
from chexpert.models import Model
from chexpert.runs import files as run_files
from chexpert.runs.config_keys import rename_keys
from chexpert.runs.synthetic import is_synthetic_metadata

Stored = tuple[dict[str, Any], dict[str, torch.Tensor]]
"""Metadata and a model's weights."""


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return the metadata of a checkpoint of this project; the weights of a .ckpt file stay on the disk.

    Args:
        path: run folder, or file of a checkpoint.

    Returns:
        The metadata: ``config``, ``observations``, ``preprocessing``, ...

    Raises:
        UserError: see :func:`read_checkpoint`.
    """
    return read_checkpoint(path, mmap=True)[0]


def read_checkpoint(path: str | Path, *, mmap: bool = False) -> Stored:
    """Return the metadata and weights of a checkpoint of this project, by torch's safe loading or from safetensors.

    Args:
        path: run folder, or file of a checkpoint.
        mmap: whether to map the weights of a .ckpt file instead of reading them, see :func:`load_content`.

    Returns:
        The metadata, with keys of older versions renamed in ``config``, and the weights by name, on the CPU.

    Raises:
        UserError: there is no checkpoint, it is none of this project, or a newer version wrote it.
    """
    file = find_checkpoint(get_local_path(path))
    if file.suffix == ".json" and file.with_suffix(run_files.SAFETENSORS).is_file():  # its metadata
        file = file.with_suffix(run_files.SAFETENSORS)
    try:
        metadata, weights = (
            _read_safetensors(file) if file.suffix == run_files.SAFETENSORS else _read_torch(file, mmap=mmap)
        )
        _ = metadata["observations"], metadata["preprocessing"], metadata["config"]["model"][TARGET]
        metadata = {**metadata, "config": rename_keys(metadata["config"])}
        number = int(metadata.get("format", 0))
    except Exception as error:
        unread = isinstance(error, UnpicklingError)  # torch then advises to load it unsafely
        why = "no file of torch.save, or more than weights" if unread else str(error).partition("\n")[0]
        message = f"no checkpoint of this project: {type(error).__name__}: {why}"
        hint = "give a run folder or its checkpoints/best.ckpt; a backbone's weights of other origin: pretrained=PATH"
        raise UserError(message, code="not-a-checkpoint", where=str(file), hint=hint) from error
    if number > FORMAT:
        message = f"a newer version of chexpert wrote this checkpoint (format {number}; this one reads up to {FORMAT})"
        raise UserError(message, code="newer-version", where=str(file), hint="update chexpert")
    try:
        Preprocessing(**metadata["preprocessing"])
    except (TypeError, ValueError) as error:
        message = f"a preprocessing that cannot be read: {error}"
        raise UserError(message, code="not-a-checkpoint", where=str(file), hint="give another checkpoint") from error
    return metadata, weights


def _read_torch(file: Path, *, mmap: bool) -> Stored:
    content = load_content(file, mmap=mmap)
    state = content["state_dict"]
    weights = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    return content["chexpert"], rename_members(weights)


def rename_members(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename weights to today's names; the first version called a member's ``backbone`` or ``members``.

    >>> list(rename_members({"backbone.net.w": 1, "members.a.net.w": 1, "head.bias": 1}))
    ['_members.backbone.net.w', '_members.a.net.w', 'head.bias']
    """
    return {re.sub(r"^(members\.|(?=backbone\.))", "_members.", name): weight for name, weight in weights.items()}


def _read_safetensors(file: Path) -> Stored:
    return json.loads(file.with_suffix(".json").read_text(encoding="utf-8")), load_file(file)


def load_state(model: Model, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Load weights into a model; all names and shapes must match.

    Args:
        model: model, changed in place.
        state: weights by name.
        where: name of the checkpoint, for the error.

    Raises:
        UserError: a weight is missing, unknown or of another shape.
    """
    try:
        misfits = model.load_state_dict(state, strict=False)
        found = {"missing": misfits.missing_keys, "unknown": misfits.unexpected_keys}
        errors = [f"{len(names)} {kind}, the first {names[0]}" for kind, names in found.items() if names]
    except RuntimeError as error:  # of the same names, and other shapes
        errors = [str(error).strip().splitlines()[1].strip()]
    if errors:
        message = f"these weights belong to another model: {'; '.join(errors)}"
        raise UserError(message, code="other-model", where=where, hint="choose the model and backbone of that run")


@dataclass(frozen=True)
class Loaded:
    """A trained model with all that is needed to use it.

    Attributes:
        model: in evaluation mode; images (B, 1, H, W) uint8 to logits (B, C).
        preprocessing: from an image file to (1, H, W) uint8.
        observations: names of the C outputs.
        config: of the run that trained it.
        synthetic: whether it was trained on synthetic images.
        fitted: what was fitted after the weights, as the files of the run hold it: ``calibration``, ``thresholds`` and
            ``prediction_sets``, each where the run had a split to fit it on.
        source: the run folder or file.
    """

    model: Model
    preprocessing: Preprocessing
    observations: list[str]
    config: dict[str, Any]
    synthetic: bool = False
    fitted: Fitted = field(default_factory=dict)
    source: str = ""

    @property
    def calibration(self) -> Calibration:
        """The calibration that was fitted for these weights.

        Raises:
            UserError: there is none.
        """
        return Calibration.parse(self.fitted.get("calibration"), self.source)

    @property
    def thresholds(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Thresholds of raw probabilities by level (``image``, ``study``), observation and rule; None where undefined.

        ``fitted["thresholds"]`` has besides the split that they were chosen on, and whose labels it has: thresholds
        chosen on labels read from reports are not those for radiologists' labels.

        Raises:
            UserError: there are none.
        """
        return Thresholds.parse(self.fitted.get("thresholds"), self.source).by_level()

    def calibrate(self, probabilities: ArrayLike, level: str = "image") -> np.ndarray:
        """Return calibrated probabilities.

        Args:
            probabilities: (N, C) in [0, 1], a column for each of ``observations``; a table, or a tensor on the CPU.
            level: ``image``, or ``study`` for scores of studies, each over the views as ``calibration.views`` has it.

        Returns:
            (N, C) float64 in [0, 1].

        Raises:
            UserError: there is no calibration, or an observation was not fitted at this level.
            ValueError: an array of another shape, or a value outside [0, 1].
        """
        rows = np.asarray(probabilities, "float64")
        if rows.ndim != 2 or rows.shape[1] != len(self.observations):
            raise ValueError(f"probabilities have the shape (N, {len(self.observations)}), and not {rows.shape}")
        return self.calibration.apply(rows, self.observations, level)


def load(path: str | Path) -> Loaded:
    """Load the best checkpoint of a run folder, or a file of weights, without running code from it.

    A .safetensors file needs its metadata beside it, the .json file of the same name. A repository of the Hugging Face
    Hub is downloaded once, verified and cached; name a commit to have the same model again.

    Args:
        path: run folder, file of weights, or ``hf:OWNER/NAME@REVISION``.

    Returns:
        The model in evaluation mode, on the CPU, with its preprocessing, observations and config.

    Raises:
        UserError: no such checkpoint, none of this project, a ``_target_`` that is not on the allow-list, or weights
            that do not fit the model.
    """
    path = get_local_path(path)
    metadata, state = read_checkpoint(path)
    config = metadata["config"]
    raise_errors([error.within(path) for error in check_targets(without_pretrained(config["model"]), "model")])
    given = {"outputs": len(metadata["observations"])} | get_output_head(metadata)
    model = build(without_pretrained(config["model"]), "model", **given)
    load_state(model, state, str(path))
    preprocessing, observations = Preprocessing(**metadata["preprocessing"]), metadata["observations"]
    synthetic, fitted = is_synthetic_metadata(metadata), get_fitted(Path(path), metadata)
    return Loaded(model.eval(), preprocessing, observations, config, synthetic, fitted, str(path))
