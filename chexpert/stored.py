"""Trained weights in files: the checkpoints of a run, and what is passed on of them, each with its card."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from chexpert import rundir
from chexpert.config import TARGET, find_checkpoint
from chexpert.models import Model
from chexpert.problem import ProblemError
from chexpert.synthetic import TRAINED, is_synthetic_card

FORMAT = 1
"""Of the card. 0: from before it was counted; 1: counted. Older ones load, newer ones do not."""

Stored = tuple[dict[str, Any], dict[str, torch.Tensor]]
"""A card and a model's weights."""


def read_checkpoint(path: str | Path) -> Stored:
    """The card and the model's weights of a checkpoint of this project, by torch's safe loading or from safetensors.

    Raises:
        ProblemError: there is none, it is none of this project, or a newer version wrote it.
    """
    file = find_checkpoint(path)
    if file.suffix == ".json" and file.with_suffix(rundir.SAFETENSORS).is_file():  # its card
        file = file.with_suffix(rundir.SAFETENSORS)
    try:
        card, weights = _read_safetensors(file) if file.suffix == rundir.SAFETENSORS else _read_torch(file)
        _ = card["observations"], card["preprocessing"], card["config"]["model"][TARGET]
        number = int(card.get("format", 0))
    except Exception as error:
        unread = isinstance(error, UnpicklingError)  # torch then advises to load it unsafely
        why = "no file of torch.save, or more than weights" if unread else str(error).partition("\n")[0]
        what = f"no checkpoint of this project: {type(error).__name__}: {why}"
        mend = "give a run folder or its checkpoints/best.ckpt; a backbone's weights of other origin: pretrained=PATH"
        raise ProblemError(what, where=str(file), mend=mend) from error
    if number > FORMAT:
        what = f"a newer version of chexpert wrote this checkpoint (format {number}; this one reads up to {FORMAT})"
        raise ProblemError(what, where=str(file), mend="update chexpert")
    return card, weights


def _read_torch(file: Path) -> Stored:
    content = torch.load(file, map_location="cpu", weights_only=True)
    state = content["state_dict"]
    weights = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    return content["chexpert"], rename_members(weights)


def rename_members(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names of a model's weights as they are now; the first version called a member's ``backbone`` or ``members``.

    >>> list(rename_members({"backbone.net.w": 1, "members.a.net.w": 1, "head.bias": 1}))
    ['_members.backbone.net.w', '_members.a.net.w', 'head.bias']
    """
    return {re.sub(r"^(members\.|(?=backbone\.))", "_members.", name): weight for name, weight in weights.items()}


def _read_safetensors(file: Path) -> Stored:
    return json.loads(file.with_suffix(".json").read_text(encoding="utf-8")), load_file(file)


def pass_on(run: Path) -> Path:
    """Leaves the best weights as best.safetensors, with a card in JSON: what is needed to use them, and no more.

    The card has no path, no split and no setting of the training, so that the two files can be given to others.

    Raises:
        ProblemError: they cannot be written.
    """
    card, weights = read_checkpoint(run)
    path, synthetic = rundir.checkpoint(run).with_suffix(rundir.SAFETENSORS), is_synthetic_card(card)
    told = {
        "format": FORMAT,
        "config": {"model": without_weights(card["config"]["model"])},
        **{key: card[key] for key in ("observations", "readout", "preprocessing", "versions")},
        "synthetic": synthetic,
        "note": "Research software: not a medical device." + f" The model was {TRAINED}." * synthetic,
    }
    part = path.with_name(path.name + rundir.PART)
    try:
        part.write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}))
        part.replace(path)
        rundir.write_json(path.with_suffix(".json"), told)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):  # nor can anything be removed from a disk that can only be read
            part.unlink(missing_ok=True)
        raise ProblemError(
            f"the weights cannot be written: {error}", where=str(path), mend="make room, or make it writable"
        ) from error
    return path


def find_readout(card: Mapping[str, Any]) -> dict[str, Any]:
    """How the outputs of a checkpoint are read; one from before there was a choice has plain logits."""
    readout = card.get("readout", {})
    return {"uncertain": readout.get("uncertain", []), "parents": readout.get("parents")}


def load_state(model: Model, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Loads weights that must fit entirely."""
    try:
        misfits = model.load_state_dict(state, strict=False)
        found = {"missing": misfits.missing_keys, "unknown": misfits.unexpected_keys}
        told = [f"{len(names)} {kind}, the first {names[0]}" for kind, names in found.items() if names]
    except RuntimeError as error:  # of the same names, and other shapes
        told = [str(error).strip().splitlines()[1].strip()]
    if told:
        what = f"these weights belong to another model: {'; '.join(told)}"
        raise ProblemError(what, where=where, mend="choose the model and backbone of that run")


def without_weights(node: Any) -> Any:
    """The node of a model that loads nothing: the checkpoint's own weights follow."""
    if isinstance(node, dict):
        return {key: False if key == "pretrained" else without_weights(value) for key, value in node.items()}
    return node
