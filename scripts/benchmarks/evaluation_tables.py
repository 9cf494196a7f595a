"""Made-up tables of CheXpert's form for bench_evaluate.py: patients with several studies, studies with laterals."""

import csv
from pathlib import Path

import numpy as np

from chexpert.observations import OBSERVATIONS


def write_tables(folder: Path, rows: int) -> tuple[Path, Path]:
    """Write P.csv and L.csv of a number of views, of which 17 in 100 studies have a lateral one, and return both."""
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.02, 0.45, len(OBSERVATIONS))
    blanks = rng.uniform(0, 0.15, len(OBSERVATIONS))  # CheXpert's uncertain labels
    predictions: list[list[object]] = []
    labels: list[list[object]] = []
    patient = 0
    while len(labels) < rows:
        patient += 1
        person = [rng.choice(["Male", "Female"]), int(rng.integers(18, 91))]
        for study in range(1, 1 + rng.geometric(0.35)):
            truth = rng.random(len(shares)) < shares
            cells = np.where(rng.random(len(blanks)) < blanks, "", truth.astype(int).astype(str))
            for view, kind in enumerate(["frontal", "lateral"][: 1 + (rng.random() < 0.17)], start=1):
                path = f"CheXpert-v1.0/train/patient{patient:05d}/study{study}/view{view}_{kind}.jpg"
                scores = 1 / (1 + np.exp(1 - 1.5 * truth - rng.normal(size=len(truth))))
                predictions.append([path, *scores.round(6)])
                labels.append([path, *person, kind.title(), *cells])
    files = folder / "P.csv", folder / "L.csv"
    heads = ["Path"], ["Path", "Sex", "Age", "Frontal/Lateral"]
    for file, head, table in zip(files, heads, (predictions, labels), strict=True):
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([[*head, *OBSERVATIONS], *table[:rows]])
    return files
