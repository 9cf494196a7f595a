"""Runs of patient folds and seeds on few images, and their out-of-fold AUROC."""

import csv
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chexpert.metrics.auroc_intervals import auroc_replicates
from chexpert.observations import COMPETITION

ROOT = Path(__file__).parents[2]
FOLDER = "CheXpert-v1.0-small"
COMMON = ("data=small", "pretrained=false", "explainer=[]", "logger=[]", "calibration=null", "data.num_workers=0")
LABEL = {"1.0": 1.0, "0.0": 0.0, "": 0.0, "-1.0": np.nan}


def pool(source: Path, target: Path) -> Path:
    """Copy the images, and write the rows of both tables into train.csv but for the patients that stay in valid.csv."""
    if (target / FOLDER / "train.csv").exists():
        return target
    rows: list[dict[str, str]] = []
    for split in ("train", "valid"):
        with (source / FOLDER / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    patients = {row["Path"].split("/")[2] for row in rows}
    kept = set(sorted(patients)[::20])
    parts: dict[str, list[dict[str, str]]] = {"train": [], "valid": []}
    for row in rows:
        _, _, patient, study, view = row["Path"].split("/")
        split = "valid" if patient in kept else "train"
        place = f"{FOLDER}/{split}/{patient}/{study}/{view}"
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["Path"], target / place)
        known = {name: value or "0.0" for name, value in row.items()} if split == "valid" else row
        parts[split].append(known | {"Path": place, "AP/PA": row["AP/PA"]})
    for split, own in parts.items():
        if split == "valid":
            own = [{name: "0.0" if value == "-1.0" else value for name, value in row.items()} for row in own]
        with (target / FOLDER / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(own)
    return target


def read_truth(root: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Paths, labels (N, 5) in {0, 1, NaN}, and the patient of each row of train.csv."""
    with (root / FOLDER / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([[LABEL[row[name]] for name in COMPETITION] for row in rows])
    return [row["Path"] for row in rows], labels, np.array([row["Path"].split("/")[2] for row in rows])


def train(root: Path, out: Path, settings: list[str], folds: int, seeds: int) -> float:
    """Train a run for each fold and seed as one sweep; seconds of processor time."""
    epochs = next(word.partition("=")[2] for word in settings if word.startswith("trainer.max_epochs="))
    each = f"data.fold={','.join(map(str, range(folds)))}", f"seed={','.join(map(str, range(seeds)))}"
    command = [sys.executable, str(ROOT / "train.py"), "-m", *COMMON, f"data.root={root}", f"data.folds={folds}", *each]
    command += [f"trainer.check_val_every_n_epoch={epochs}", *settings, f"hydra.sweep.dir={out}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (out.parent / f"{out.name}.log").open("w", encoding="utf-8") as log:
        subprocess.run(command, stdout=log, stderr=log, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Scores(NamedTuple):
    """Probabilities (seeds, N, 5) of the rows, each by the run that did not see it, and each row's fold (seeds, N).

    The seed of a run assigns the folds too.
    """

    probabilities: np.ndarray
    folds: np.ndarray


def read_scores(out: Path, paths: list[str], seeds: int) -> Scores:
    """Read the out-of-fold predictions of a setting's runs."""
    place = {path: row for row, path in enumerate(paths)}
    probabilities = np.full((seeds, len(paths), len(COMPETITION)), np.nan)
    folds = np.zeros((seeds, len(paths)), int)
    for file in sorted(out.glob("*/predictions/dev.csv")):
        state = json.loads((file.parents[1] / "state.json").read_text(encoding="utf-8"))
        given = dict(word.split("=", 1) for word in state["overrides"])
        if (seed := int(given["seed"])) >= seeds:
            continue
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                probabilities[seed, place[row["Path"]]] = [float(row[name]) for name in COMPETITION]
                folds[seed, place[row["Path"]]] = int(given["data.fold"])
    if not np.isfinite(probabilities).all():
        raise SystemExit(f"{out}: {int(np.isnan(probabilities).any(2).sum())} rows have no prediction")
    return Scores(probabilities, folds)


def resample(scores: Scores, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean AUROC (1 + R,) over observations and seeds: of the rows, and of each resample.

    Only rows of one fold are compared with each other: the scores of different models have no common scale.
    """
    seeds = (
        _auroc_within(*one, labels, counts).mean(1) for one in zip(scores.probabilities, scores.folds, strict=True)
    )
    return np.mean(list(seeds), axis=0)


def _auroc_within(scores: np.ndarray, folds: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Share (1 + R, 5) of the pairs of a positive and a negative row of one fold that the scores have in order."""
    ordered, pairs = np.zeros((2, len(counts), scores.shape[1]))
    for fold in np.unique(folds):
        rows = folds == fold
        own, times = labels[rows], counts[:, rows].astype(float)
        size = (times @ (own == 1)) * (times @ (own == 0))
        ordered += np.nan_to_num(auroc_replicates(scores[rows], own, counts[:, rows])) * size
        pairs += size
    with np.errstate(invalid="ignore"):  # NaN where a resample has no pair
        return ordered / pairs
