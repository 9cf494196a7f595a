"""A run folder whose thresholds were chosen on labels of reports, and expert labels of other patients."""

import numpy as np

from chexpert.evaluation import Calibration, Thresholds, read_run
from chexpert.runs import files as run_files

NAMES = ("Edema", "Cardiomegaly", "Fracture")
PREVALENCE = {"dev": (0.4, 0.35, 0.3), "valid": (0.25, 0.5, 0.02)}
RADIOLOGISTS_SHIFT = {"dev": 0.0, "valid": -1.0}
"""Of the log odds: what radiologists call positive scores lower."""


def write_split(folder, split, count, first, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, len(NAMES))) < PREVALENCE[split]).astype(float)
    logits = 2.0 * labels - 1.0 + RADIOLOGISTS_SHIFT[split] + rng.normal(size=labels.shape)
    views = [f"CheXpert-v1.0/{split}/patient{first + row:05}/study1/view1_frontal.jpg" for row in range(count)]
    scores = (1 / (1 + np.exp(-logits))).tolist()
    run_files.write_predictions(run_files.predictions(folder, split), NAMES, zip(views, scores, strict=True))
    rows = [[view, *(f"{label:.1f}" for label in row)] for view, row in zip(views, labels.tolist(), strict=True)]
    run_files.write_table(run_files.labels(folder, split), ["Path", *NAMES], rows)


def make_run(folder, studies=120):
    """Write a run with 400 dev studies, and ``studies`` of valid, whose labels are the expert's."""
    write_split(folder, "dev", 400, 1, 0)
    write_split(folder, "valid", studies, 64541, 1)
    levels = [read_run(folder, "dev", level) for level in ("image", "study")]
    Calibration.fit("platt", "dev", levels).write(folder / run_files.CALIBRATION)
    Thresholds.choose("dev", "report", levels).write(folder / run_files.THRESHOLDS)
    return folder
