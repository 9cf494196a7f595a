"""The data and the model of a finished run, opened again from its checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from chexpert.checkpoints import Loaded
from chexpert.config import build, check_targets
from chexpert.data import CheXpertDataModule, LabelPolicy, reporting_dead_workers
from chexpert.data.features import FORWARD
from chexpert.data.sources.detect_layout import find_layout
from chexpert.errors import UserError, raise_errors
from chexpert.explain import (
    Rows,
)
from chexpert.models import Model, Probe

GIVE_IMAGES = "give images to explain"


def move_to_device(model: Model) -> Model:
    """Move the model to the GPU, if there is one."""
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def prepare(loaded: Loaded) -> Model:
    """Move the model to its device and to the memory format of its evaluation: another one adds up otherwise."""
    model = move_to_device(loaded.model)
    return model.to(memory_format=torch.channels_last) if loaded.config.get("channels_last", False) else model


def limit_batch(loaded: Loaded) -> int:
    """Return the images of a pass: as in training; of a probe, whose batches were of features, at most 16."""
    trained_on = loaded.config.get("data", {}).get("batch_size", 16)
    return min(trained_on, FORWARD) if isinstance(loaded.model, Probe) else trained_on


@reporting_dead_workers()
def predict_valid(model: Model, data: CheXpertDataModule) -> Rows:
    """Return probabilities, labels and mask (N, C) of the validation views that can be read."""
    device, rows = next(model.parameters()).device, []
    with torch.inference_mode():
        for batch in data.val_dataloader():
            rows.append((model(batch.images.to(device)).float().sigmoid().cpu(), batch.targets, batch.mask))
    probabilities, labels, mask = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return probabilities, labels, mask


def open_data(
    loaded: Loaded, root: Path | None = None, *, hint: str = f"restore them, or {GIVE_IMAGES}",
    learned: bool = False, test: bool = False,
) -> CheXpertDataModule:  # fmt: skip
    """Open the validation views of the data of a run, or of another dataset folder read in the same way.

    Args:
        loaded: the run's model.
        root: of the other copy.
        hint: what to do where the run's own data are gone.
        learned: with the training views as the run learned them, where the copy has such.
        test: with the test set, where the run had it or else beside the other views.
    """
    if "data" not in loaded.config:
        message = "exported weights do not hold the data of their training"
        raise UserError(message, code="missing-run", where=loaded.source, hint=f"give the run folder, or {GIVE_IMAGES}")
    config = loaded.config | {"observations": loaded.observations}
    config["data"] = config["data"] | {"batch_size": limit_batch(loaded)}
    return open_config_data(config, root, hint=hint, learned=learned, test=test)


def open_config_data(
    config: Mapping[str, Any], root: Path | None, *, hint: str, learned: bool, test: bool, policy: bool = True
) -> CheXpertDataModule:
    """Open the data of a config, as :func:`open_data` does; without its label ``policy``, only the tables count."""
    # what only training and evaluation need may be gone: label files, the test set, the decoded images
    node = config["data"] | {"cache": None}
    if node.get("on_missing") == "skip":  # how many may be was decided when it was trained
        node["skip_limit"] = 1.0
    node["test"] = test and (node.get("test") or True)
    node |= {"root": str(root), "manifest": None} if root else {}
    if not learned and not node.get("correct_evaluated"):  # these correct training labels alone
        node["corrections"] = None
    try:
        raise_errors(list(check_targets(node, "data")))
        labels = build(config["labels"], "labels") if learned and policy else LabelPolicy("ignore")
        given = {"observations": config["observations"], "seed": config["seed"]}
        data: CheXpertDataModule = build(node, "data", labels=labels, **given)
        data.setup("fit" if learned and "train" in find_layout(data.root, data.variant).tables else "validate")
    except UserError as error:
        if root:
            raise
        message = f"the data of the run cannot be read: {error.message}"
        raise UserError(message, code=error.code, where=error.where, hint=hint) from error
    return data
