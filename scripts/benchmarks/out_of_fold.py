"""Runs of patient folds and seeds on few images, and their out-of-fold AUROC."""

import csv
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

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


def read_scores(out: Path, paths: list[str], seeds: int) -> np.ndarray:
    """Out-of-fold probabilities (seeds, N, 5)."""
    place = {path: row for row, path in enumerate(paths)}
    scores = np.full((seeds, len(paths), len(COMPETITION)), np.nan)
    for file in sorted(out.glob("*/predictions/dev.csv")):
        config = json.loads((file.parents[1] / "state.json").read_text(encoding="utf-8"))
        seed = next(int(word.split("=")[1]) for word in config["overrides"] if word.startswith("seed="))
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                scores[seed, place[row["Path"]]] = [float(row[observation]) for observation in COMPETITION]
    if not np.isfinite(scores).all():
        raise SystemExit(f"{out}: {int(np.isnan(scores).any(2).sum())} rows have no prediction")
    return scores


def resample(scores: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean AUROC (1 + R,) over observations and seeds: of the rows, and of each resample."""
    return np.mean([auroc_replicates(one, labels, counts).mean(1) for one in scores], axis=0)
