"""Pooled features, probabilities and gray statistics of images, by one pass of a trained model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from chexpert.checkpoints import Loaded
from chexpert.data import ViewDataset
from chexpert.data.decoding import read_size
from chexpert.data.loader import make_loader
from chexpert.data.metadata import GRAY, describe_gray
from chexpert.data.preprocessing import LEAST_SIDE
from chexpert.errors import UserError
from chexpert.inference.inputs import InputImage
from chexpert.inference.opened_run import prepare
from chexpert.inference.predicted_batches import Watch
from chexpert.models.pooled_features import PooledFeatures


class ImageFeatures(NamedTuple):
    """What a model, and the gray values, say of the images that could be read."""

    rows: list[int]
    """Their places in the list that was given, in its order."""
    pooled: np.ndarray
    """(N, D) float32."""
    probabilities: np.ndarray
    """(N, C) float32."""
    gray: np.ndarray
    """(N, 12) float, ``chexpert.data.metadata.GRAY``; of the image as the model gets it, and the size of the file."""


def compute_image_features(
    loaded: Loaded, images: Sequence[InputImage], batch_size: int, workers: int, watch: Watch = iter
) -> ImageFeatures:
    """Compute the features of those images that can be read.

    Args:
        loaded: the model.
        images: to read; without augmentation.
        batch_size: images a pass.
        workers: processes that read images.
        watch: shows progress.

    Raises:
        UserError: the model puts out NaN or infinity.
    """
    there = [row for row, image in enumerate(images) if image.file]
    files = [str(images[row].file) for row in there]
    nothing = np.zeros((len(there), 0), dtype=np.float32)
    names, fitting = [str(row) for row in there], replace(loaded.preprocessing, least=LEAST_SIDE)
    views = ViewDataset(names, files, nothing, nothing.astype(bool), fitting, skip=True)
    model = prepare(loaded)
    device = next(model.parameters()).device
    rows: list[int] = []
    pooled, probabilities, gray = [], [], []
    batches = watch(make_loader(views, batch_size=batch_size, workers=workers, shuffle=False, seed=0)) if there else ()
    for batch in batches:
        if not batch.paths:
            continue
        with torch.inference_mode(), PooledFeatures(model) as features:
            logits = model(batch.images.to(device))
            vectors = features.take()
        rows += map(int, batch.paths)
        pooled.append(vectors.numpy())
        probabilities.append(logits.float().sigmoid().cpu().numpy())
        for path, image in zip(batch.paths, batch.images[:, 0].numpy(), strict=True):
            size = read_size(Path(str(images[int(path)].file)).read_bytes())[::-1]
            gray.append(describe_gray(image, size))
    if not rows:
        return ImageFeatures([], np.zeros((0, 1)), np.zeros((0, len(loaded.observations))), np.zeros((0, len(GRAY))))
    found = ImageFeatures(rows, np.concatenate(pooled), np.concatenate(probabilities), np.array(gray))
    if not (np.isfinite(found.pooled).all() and np.isfinite(found.probabilities).all()):
        hint = "take another checkpoint of the run"
        raise UserError("the model puts out NaN or infinity", code="nan", where="the checkpoint", hint=hint)
    return found
