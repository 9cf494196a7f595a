"""From checkpoints to scores: models that are shown the same images see each batch together."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from chexpert.checkpoints import load, read_metadata
from chexpert.data import CheXpertDataModule, reporting_dead_workers
from chexpert.errors import UserError
from chexpert.evaluation import Named, read_predictions
from chexpert.inference.opened_run import open_data, prepare
from chexpert.training.model_scores import Watch, predict_models

AT_ONCE = 8
"""Models that see a batch while it is there: in memory together, and images are decoded once for all of them."""
IRRELEVANT = ("augmentation", "cache", "num_workers", "test")
"""Settings of the data that do not change what a model is shown."""
GONE = "restore them, or average the predictions that the runs left: RUN/predictions/<split>.csv"


def read_members(files: Sequence[Path], split: str, watch: Watch) -> Iterator[tuple[Path, Named]]:
    """Yield each member's scores, in no order: predictions from their file, checkpoints by running the model."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix == ".csv":
            yield file, read_predictions(file)
        else:
            groups.setdefault(find_input(file, split), []).append(file)
    for checkpoints in groups.values():
        data = open_split(checkpoints[0], split)
        yield from predict_checkpoints(checkpoints, data, watch)


def find_input(checkpoint: Path, split: str) -> str:
    """Return a key of the images that a checkpoint reads, and how: images of equal keys are read once."""
    config = read_metadata(checkpoint)["config"]
    data = {key: value for key, value in config["data"].items() if key not in IRRELEVANT}
    dev_seed = config["seed"] if split == "dev" else None
    return json.dumps([data, dev_seed, config["data"].get("test") if split == "test" else None], sort_keys=True)


def open_split(checkpoint: Path, split: str) -> CheXpertDataModule:
    """Open the run's data, ready to load the images of a split."""
    data = open_data(load(checkpoint), hint=GONE, learned=split == "dev", test=split == "test")
    if split not in data.datasets:
        hint = "take another --split, or runs with data.dev=0.1"
        raise UserError(f"the run has no {split} split", code="missing-split", where=str(checkpoint), hint=hint)
    data.evaluated_split = split
    return data


def predict_checkpoints(
    checkpoints: Sequence[Path], data: CheXpertDataModule, watch: Watch
) -> Iterator[tuple[Path, Named]]:
    """Yield the probabilities of models that are shown the same images; to the last digit as in the runs."""
    for start in range(0, len(checkpoints), AT_ONCE):
        paths = checkpoints[start : start + AT_ONCE]
        loaded = [load(path) for path in paths]
        with reporting_dead_workers():
            names, scores = predict_models([prepare(one) for one in loaded], watch(data.val_dataloader()))
        for path, one, own in zip(paths, loaded, scores, strict=True):
            yield path, name_scores(path, names, own, one.observations)


def name_scores(path: Path, names: list[str], scores: np.ndarray, observations: Sequence[str]) -> Named:
    """Return the probabilities (N, C) of a model by view and observation.

    Raises:
        UserError: one is NaN or infinite.
    """
    if not np.isfinite(scores).all():
        raise UserError("the model puts out NaN or infinity", code="nan", where=str(path), hint="leave it out")
    return Named(path, "Path", names, dict(zip(observations, scores.T, strict=True)))
