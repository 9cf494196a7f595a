"""Run a model over image files, a batch at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded
from chexpert.data import ViewDataset, predict_views
from chexpert.data.loader import ViewLoader, make_loader
from chexpert.errors import UserError
from chexpert.inference.gating import NO_GATE, Gating
from chexpert.inference.inputs import InputImage
from chexpert.inference.opened_run import prepare
from chexpert.inference.spread import Spread

Watch = Callable[[ViewLoader], Iterable[Any]]
"""Iterates over the batches, and shows the progress."""


@dataclass(frozen=True)
class PredictedBatch:
    """Images that were predicted together.

    Attributes:
        rows: the C probabilities of each image, by its number in the input.
        flagged: of suspicious images why they should be looked at, likewise.
        apart: the K probabilities of a spread, K x C numbers of each image, likewise; empty without one.
        images: (B, 1, H, W) uint8, what the model saw of them, in the order of ``rows``, on the CPU.
    """

    rows: dict[int, list[float]]
    flagged: dict[int, str]
    images: torch.Tensor
    apart: dict[int, list[float]]

    def without_flagged(self) -> "PredictedBatch":
        """Return the images that are not flagged."""
        kept = [place for place, number in enumerate(self.rows) if number not in self.flagged]
        rows = {number: row for number, row in self.rows.items() if number not in self.flagged}
        return PredictedBatch(
            rows, {}, self.images[kept], {number: self.apart[number] for number in rows if self.apart}
        )


def run_model(
    loaded: Loaded,
    images: Sequence[InputImage],
    left: Sequence[int],
    batch_size: int,
    workers: int,
    watch: Watch,
    transforms: torch.Tensor | None = None,
    spread: Spread | None = None,
    gating: Gating = NO_GATE,
) -> Iterator[PredictedBatch]:
    """Yield the predictions of the images with these numbers, a batch at a time.

    Those that cannot be read are left out.
    """
    if not left:
        return
    nothing = np.zeros((len(left), 0), dtype=np.float32)
    files = [str(images[number].file) for number in left]
    reader = gating.choose_reader(loaded.preprocessing)
    views = ViewDataset([str(n) for n in left], files, nothing, nothing.astype(bool), reader, skip=True)
    loader = make_loader(views, batch_size=batch_size, workers=workers, shuffle=False, seed=0)
    model = prepare(loaded)
    device = next(model.parameters()).device

    def predict_one(images: torch.Tensor) -> torch.Tensor:
        return model(images).float().sigmoid()

    for batch in watch(loader):
        if batch.paths:
            # neither around the yield, or whoever takes the batch would be in it too
            with torch.inference_mode(), gating.watch(model) as pooled:
                shown = batch.images.to(device)
                each = spread.predict(model, shown) if spread else None
                mean = None if spread is None or each is None else spread.average(each)
                probabilities = (predict_views(predict_one, shown, transforms) if mean is None else mean).cpu()
                flagged = gating.add_flags(batch.paths, batch.flagged, batch.images, pooled)
            if not probabilities.isfinite().all():
                hint = "take another checkpoint of the run"
                raise UserError("the model puts out NaN or infinity", code="nan", where="the checkpoint", hint=hint)
            rows = dict(zip(map(int, batch.paths), probabilities.tolist(), strict=True))
            apart = {} if each is None else dict(zip(rows, each.transpose(0, 1).flatten(1).tolist(), strict=True))
            yield PredictedBatch(rows, flagged, batch.images, apart)
