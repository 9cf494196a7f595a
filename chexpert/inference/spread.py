"""Several probabilities of an image by one model: of each member of a combined model, or of each view of the image."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded
from chexpert.data import reporting_dead_workers
from chexpert.data.tta import average_views, list_views
from chexpert.errors import UserError
from chexpert.evaluation import Named, strip_copy
from chexpert.inference.member_scores import open_split
from chexpert.inference.opened_run import prepare
from chexpert.models import Combined, Model
from chexpert.runs import files as run_files

Watch = Callable[[Iterable[Any]], Iterable[Any]]
"""Iterates over batches, and shows the progress."""
MEMBERS, TTA = "members", "tta"


@dataclass(frozen=True)
class Spread:
    """The K probabilities of an image whose spread is wanted.

    Attributes:
        kind: ``members`` or ``tta``.
        names: of the K tables.
        transforms: (K, 2, 3) of the views; None of members.
    """

    kind: str
    names: Sequence[str]
    transforms: torch.Tensor | None = None

    def predict(self, model: Model, images: torch.Tensor) -> torch.Tensor:
        """Return the K probabilities (K, B, C) of images (B, 1, H, W), on the CPU."""
        if self.transforms is not None:
            return torch.stack(list(list_views(lambda own: model(own).float().sigmoid(), images, self.transforms)))
        assert isinstance(model, Combined)
        return torch.stack([own.float().sigmoid().cpu() for own in model.member_logits(images).values()])

    def average(self, probabilities: torch.Tensor) -> torch.Tensor | None:
        """Return the mean (B, C) over the views, which test-time augmentation puts out; None of members."""
        return average_views(probabilities) if self.kind == TTA else None


def open_spread(
    loaded: Loaded, transforms: torch.Tensor | None, where: str = "--spread", other: str = "--tta flip"
) -> Spread:
    """Return the spread of a model: of the views where there are transforms, otherwise of its members.

    Args:
        loaded: the model.
        transforms: (K, 2, 3) of the views.
        where: the option that asks for it, for the error.
        other: the option of a spread that any model has, if its augmentation has such views.

    Raises:
        UserError: the model is not a combined one, and there are no transforms.
    """
    if transforms is not None:
        return Spread(TTA, [f"view-{number:02d}" for number in range(len(transforms))], transforms)
    if not isinstance(loaded.model, Combined):
        message = "the model has no members that disagree: it is not a combined one"
        hint = f"the spread over views: {other}, or a run of model=combined"
        raise UserError(message, code="other-model", where=where, hint=hint)
    return Spread(MEMBERS, list(loaded.model.members))


@reporting_dead_workers()
def predict_split(loaded: Loaded, checkpoint: Path, split: str, spread: Spread, watch: Watch) -> list[Named]:
    """Return the K tables of the images of a split of the run's data.

    Args:
        loaded: the run's model.
        checkpoint: its file, by which the data are opened.
        split: ``dev``, ``valid`` or ``test``.
        spread: whose.
        watch: shows progress.

    Raises:
        UserError: the data are gone or have no such split, or the model puts out NaN.
    """
    data, model = open_split(checkpoint, split), prepare(loaded)
    device, names, parts = next(model.parameters()).device, [], []
    with torch.inference_mode():
        for batch in watch(data.val_dataloader()):
            if batch.paths:
                names += batch.paths
                parts.append(spread.predict(model, batch.images.to(device)).float().numpy())
    probabilities = np.concatenate(parts, axis=1)
    if not np.isfinite(probabilities).all():
        raise UserError("the model puts out NaN or infinity", code="nan", where=str(checkpoint), hint="leave it out")
    return [
        Named(Path(f"{checkpoint}, {name}"), "Path", names, _name_columns(loaded, run_files.as_written(own)))
        for name, own in zip(spread.names, probabilities, strict=True)
    ]


def _name_columns(loaded: Loaded, values: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(loaded.observations, values.T, strict=True))


def take_rows(table: Named, predictions: Named) -> Named:
    """Return the rows of a table that the run predicted too: a run may evaluate a part of a split alone.

    Raises:
        UserError: one is not there any more.
    """
    if missing := [name for name in predictions.names if strip_copy(name) not in table.places]:
        message = f"{len(missing)} images of the run's predictions are not among its data any more"
        hint = "restore them, or --confidence plain"
        raise UserError(message, code="other-rows", where=missing[0], hint=hint)
    rows = [table.places[strip_copy(name)] for name in predictions.names]
    return replace(
        table, names=list(predictions.names), columns={name: own[rows] for name, own in table.columns.items()}
    )
