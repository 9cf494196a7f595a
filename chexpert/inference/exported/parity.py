"""An exported model beside the run that it is of, on the same images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from chexpert.checkpoints import Loaded
from chexpert.errors import UserError
from chexpert.evaluation import Calibration
from chexpert.inference.exported.metadata import IMAGE, get_calibration
from chexpert.inference.inputs import list_images
from chexpert.inference.opened_run import open_config_data, open_data
from chexpert.metrics.auroc import multilabel_auroc
from chexpert.runs import files as run_files

HIGHEST = 1e-5
"""Largest difference of a probability in float32."""
IMAGES = 64
BATCH = 16
Session = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
"""From images (N, h, w) and file_size (2,) to the outputs."""


@dataclass(frozen=True)
class CheckedImages:
    """Images to compare on.

    Attributes:
        files: N of them.
        labels: (N, C) in {0, 1}, and mask; None where the images have no labels.
        mask: (N, C) bool.
        source: what they are, in a few words.
    """

    files: Sequence[str]
    labels: np.ndarray | None
    mask: np.ndarray | None
    source: str


def select_images(loaded: Loaded, given: Path | None) -> CheckedImages:
    """Return the run's validation views, or the images that were given.

    Raises:
        UserError: the run's data are gone, or there is no image.
    """
    if given:
        found, _ = list_images([given], [])
        return CheckedImages([image.file for image in found if image.file], None, None, "given images")
    if "data" not in loaded.config:
        message, hint = "weights alone have no data to compare on", "--images FOLDER"
        raise UserError(message, code="missing-dataset", where=loaded.source, hint=hint)
    data = open_data(loaded, hint="restore them, or compare on other images: --images FOLDER")
    views = data.datasets["valid"]
    files = [views.files[n] for n in range(len(views))]
    return CheckedImages(files, views.targets.numpy(), views.mask.numpy(), "validation views of the run")


def select_range_images(loaded: Loaded, compared: CheckedImages) -> tuple[list[str], str]:
    """Return the images that the ranges of 8-bit integers are taken from, :data:`IMAGES` at most, and what they are.

    They are training views where these are there: ranges of the compared images would make the AUROC of 8-bit integers
    look better than it is.
    """
    files, source = compared.files, compared.source
    if compared.labels is not None and (trained := list_training_views(loaded)):
        files, source = trained, "training views of the run"
    count = min(IMAGES, len(files))
    return [files[n * len(files) // count] for n in range(count)], source


def list_training_views(loaded: Loaded) -> list[str]:
    """Return the files of the views that a run was trained on; none where they are gone. Labels are not needed."""
    data_config = loaded.config["data"] | {"corrections": None}
    config = loaded.config | {"observations": loaded.observations, "data": data_config}
    try:
        data = open_config_data(config, None, hint="", learned=True, test=False, policy=False)
    except UserError:  # the caller says what is taken instead
        return []
    train = data.datasets.get("train")
    return [train.files[n] for n in range(len(train))] if train else []


def predict_by_run(loaded: Loaded, files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and scores (N, C) as ``chexpert predict`` has them at image level, on the CPU.

    Raises:
        UserError: an image cannot be read.
    """
    model = loaded.model.cpu()  # a GPU adds up otherwise, and may take TF32
    rows: list[torch.Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(files), BATCH):
            images = torch.stack([loaded.preprocessing(file) for file in files[start : start + BATCH]])
            rows.append(model(images).float().sigmoid())
    scores = run_files.as_written(torch.cat(rows).numpy())
    probabilities = scores.copy()
    columns = [c for c, own in enumerate(get_calibration(loaded)) if own]
    if columns:
        names = [loaded.observations[c] for c in columns]
        calibration: Calibration = loaded.calibration
        probabilities[:, columns] = calibration.apply(scores[:, columns], names, IMAGE)
    return probabilities, scores


def read_inputs(loaded: Loaded, files: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the inputs of each image: pixels (1, h, w) uint8, and the size of its file where it was read smaller.

    Raises:
        UserError: an image cannot be read.
    """
    for file in files:
        image = loaded.preprocessing.read_decoded(file)[0]
        size = (image.height, image.width) if image.reduced > 1 else (0, 0)
        yield image.gray[None].copy(), np.array(size, dtype=np.int64)


def predict_by_file(loaded: Loaded, session: Session, files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and scores (N, C) of an exported model, one image at a time."""
    found = [session(*inputs)[:2] for inputs in read_inputs(loaded, files)]
    probabilities, scores = (np.concatenate(part) for part in zip(*found, strict=True))
    return probabilities, scores


def measure_difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Return the largest difference of a probability or a score."""
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def check_difference(difference: float, images: int) -> None:
    """Raise an error where an exported model in float32 is not that of the run."""
    if not difference <= HIGHEST:
        message = f"the exported model differs from the run by {difference:.1e} on {images} images"
        hint = f"at most {HIGHEST:.0e} is allowed: update opencv-python-headless, onnxruntime and torch, or --to pt2"
        raise UserError(message, code="no-result", where="parity", hint=hint)


def compare_aurocs(images: CheckedImages, names: Sequence[str], run: np.ndarray, file: np.ndarray) -> dict:
    """Return of each observation the AUROC of the run and of an exported model, and the means over those defined."""
    if images.labels is None or images.mask is None:
        return {}
    pairs = zip(*(multilabel_auroc(own, images.labels, images.mask) for own in (run, file)), strict=True)
    found = {
        name: {"run": a.value, "exported": b.value, "positives": a.positives, "negatives": a.negatives}
        for name, (a, b) in zip(names, pairs, strict=True)
        if a.positives and a.negatives
    }
    if not found:
        return {}
    means = {key: float(np.mean([own[key] for own in found.values()])) for key in ("run", "exported")}
    return {"images": len(run), "mean": means, "observations": found}
