"""Runs and counts of the label audit's benchmark: flips planted in a phantom, patient folds, corrections by truth."""

import csv
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np

from chexpert.data.phantom import write_phantom
from chexpert.observations import COMPETITION

ROOT = Path(__file__).parents[2]
FOLDER = "CheXpert-v1.0-small"
COMMON = ("data=small", "pretrained=false", "explainer=[]", "logger=[]", "calibration=null", "data.num_workers=0")
FLIPS = "phantom/flips.csv"


def prepare(given: Namespace, seed: int) -> Path:
    """Generate the phantom of a seed, and flip a share of its labels: the finding is stated where it is not, or not."""
    root = given.out / f"seed{seed}/data"
    if (root / FLIPS).is_file():
        return root
    if not (root / FOLDER).is_dir():
        write_phantom(root, patients=given.patients, valid=given.valid, size=given.size, seed=seed, workers=1)
    path = root / FOLDER / "train.csv"
    header, rows = read_rows(path)
    flips = list(flip(rows, given.flips, seed))
    write_rows(path, header, rows)
    write_rows(root / FLIPS, ["Study", "observation"], flips)
    return root


def flip(rows: list[dict[str, str]], share: float, seed: int) -> list[dict[str, str]]:
    """Flip the labels 1, 0 and blank of a share of the studies of each observation, in place; return which."""
    rng, flips = np.random.default_rng([seed, 5]), []
    studies = sorted({find_study(row["Path"]) for row in rows})
    for name in COMPETITION:
        chosen = {studies[n] for n in np.flatnonzero(rng.random(len(studies)) < share)}
        for row in rows:
            if find_study(row["Path"]) in chosen and row[name] != "-1.0":
                row[name] = "0.0" if row[name] == "1.0" else "1.0"
                flips.append({"Study": find_study(row["Path"]), "observation": name})
    return list({tuple(one.values()): one for one in flips}.values())


def train(root: Path, out: Path, settings: list[str]) -> None:
    """Train as one sweep, unless its runs are there."""
    if (out / "table.csv").is_file():
        return
    command = [sys.executable, str(ROOT / "train.py"), "-m", *COMMON, f"data.root={root}", *settings]
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / f"{out.name}.log").open("w", encoding="utf-8") as log:
        subprocess.run([*command, f"hydra.sweep.dir={out}", "resume=auto"], stdout=log, stderr=log, check=True)


def list_settings(given: Namespace) -> list[str]:
    """Return the settings of every training."""
    epochs = f"trainer.max_epochs={given.epochs}", f"trainer.check_val_every_n_epoch={given.epochs}"
    return [f"data.image_size={given.image_size}", "data.batch_size=32", "optimizer.lr=2e-3", *epochs]


def train_folds(given: Namespace, seed: int, root: Path) -> Path:
    """Train a run for each fold; return the folder of the sweep."""
    out = given.out / f"seed{seed}/folds"
    folds = f"data.fold={','.join(map(str, range(given.folds)))}"
    train(root, out, [f"data.folds={given.folds}", folds, f"seed={seed}", *list_settings(given)])
    return out


def find_study(path: str) -> str:
    """Return patient and study of a path."""
    return "/".join(path.split("/")[-3:-1])


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the header and the rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or []), rows


def write_rows(path: Path, header: list[str], rows: list[dict[str, str]]) -> None:
    """Write a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
