"""The rows of a table of predictions: images, or studies with the score over their views."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from chexpert.evaluation import Calibration
from chexpert.inference.inputs import InputImage
from chexpert.metrics import number_studies, reduce_scores

Row = tuple[str, list[float] | None]
"""Name and probabilities (C); None where no image of the row may be scored."""


def make_rows(
    images: Sequence[InputImage],
    scores: np.ndarray,
    refused: Collection[str],
    level: str,
    views: str,
    names: Sequence[str],
    calibration: Calibration | None,
) -> list[Row]:
    """Return the rows of images (N) with scores (N, C), in order; those of ``refused`` names count for none."""
    kept = [row for row, image in enumerate(images) if image.name not in refused]
    scored = dict(reduce([images[row] for row in kept], scores[kept], level, views, names, calibration)) if kept else {}
    every = dict.fromkeys(image.study if level == "study" else image.name for image in images)
    return [(name, scored.get(name)) for name in every]


def reduce(
    images: Sequence[InputImage],
    scores: np.ndarray,
    level: str,
    views: str,
    names: Sequence[str],
    calibration: Calibration | None,
) -> list[tuple[str, list[float]]]:
    """Return names and probabilities (C) of the rows of the table."""
    rows = [image.name for image in images]
    if level == "study":
        numbers, rows = number_studies([image.study for image in images])
        scores = reduce_scores(numbers, scores, views)
    if calibration:
        scores = calibration.apply(scores, names, level)
    return list(zip(rows, scores.tolist(), strict=True))


def name_flags(images: Sequence[InputImage], flagged: Mapping[str, str], level: str) -> dict[str, str]:
    """Return the flags of each row by its name; of a study with several flagged views, those of each view."""
    found: dict[str, list[str]] = {}
    for image in images:
        if image.name in flagged:
            is_view = level == "study" and image.study != image.name
            view = f"{image.name.rpartition('/')[2]}: " if is_view else ""
            found.setdefault(image.study if level == "study" else image.name, []).append(view + flagged[image.name])
    return {name: "; ".join(flags) for name, flags in found.items()}


def find_partly_refused(images: Sequence[InputImage], refused: Collection[str], level: str) -> list[str]:
    """Return the studies that have a refused view, and another one that they are scored by."""
    if level != "study":
        return []
    left = {image.study for image in images if image.name not in refused}
    return sorted({image.study for image in images if image.name in refused} & left)
