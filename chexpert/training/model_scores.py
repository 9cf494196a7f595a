"""Probabilities of several models that see the same batches."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from chexpert.data import Batch
from chexpert.models import Model
from chexpert.runs import files as run_files

Watch = Callable[[Iterable[Any]], Iterable[Any]]
"""Iterates over batches, and shows the progress."""


def predict_models(models: Sequence[Model], batches: Iterable[Batch]) -> tuple[list[str], list[np.ndarray]]:
    """Return the views' paths and of each model the probabilities (N, C), to the last digit as in a run's files.

    Args:
        models: in evaluation mode, each on its device.
        batches: of N views; each is shown to all models while it is there.
    """
    names: list[str] = []
    rows: list[list[np.ndarray]] = [[] for _ in models]
    with torch.inference_mode():
        for batch in batches:
            if not batch.paths:
                continue
            names += batch.paths
            for own, model in zip(rows, models, strict=True):
                images = batch.images.to(next(model.parameters()).device)
                own.append(model(images).float().sigmoid().cpu().numpy())
    return names, [run_files.as_written(np.concatenate(own)) if own else np.zeros((0, 0)) for own in rows]
