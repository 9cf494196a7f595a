"""Runs and counts of the label audit's benchmark: flips planted in a phantom, patient folds, corrections by truth."""

import csv
import math
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chexpert.data.phantom import write_phantom
from chexpert.evaluation import read_run
from chexpert.evaluation.label_issues import rank_issues, write_issues
from chexpert.inference.label_audit import audit_labels
from chexpert.metrics.auroc_intervals import auroc_replicates
from chexpert.metrics.comparison import paired_interval
from chexpert.metrics.label_issues import score_labels
from chexpert.metrics.resampling import resample_studies, sample_studies
from chexpert.observations import COMPETITION

ROOT = Path(__file__).parents[2]
FOLDER = "CheXpert-v1.0-small"
COMMON = ("data=small", "pretrained=false", "explainer=[]", "logger=[]", "calibration=null", "data.num_workers=0")
FLIPS = "phantom/flips.csv"
DEFAULT = "self-confidence, the default (= loss, margin)"


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


class Predicted(NamedTuple):
    """Labels (N, 5) in {1, 0, -1, NaN} and out-of-fold probabilities (N, 5) of training views, by their names."""

    names: list[str]
    labels: np.ndarray
    probabilities: np.ndarray


def predict_folds(given: Namespace, seed: int, root: Path) -> Predicted:
    """Predict each training view by the network of the fold that holds it out."""
    views = audit_labels([train_folds(given, seed, root)]).views
    return Predicted(list(views.names), views.labels, views.probabilities)


def count_flips(given: Namespace, root: Path, predicted: Predicted) -> dict[str, Any]:
    """Rank the labels by the audit's scores and by cleanlab, and count the flips among the first of each observation.

    Returns:
        By method and observation: of each study how many flipped labels it has, how many of them are listed, how many
        labels it has, and how many are listed.
    """
    flipped = {(one["Study"], one["observation"]) for one in read_rows(root / FLIPS)[1]}
    studies = [find_study(name) for name in predicted.names]
    counts: dict[str, Any] = {}
    for c, name in enumerate(COMPETITION):
        labels, own = predicted.labels[:, c], predicted.probabilities[:, c]
        rows = np.flatnonzero(labels != -1)
        given_labels = (labels[rows] == 1).astype(int)
        wrong = np.array([(studies[row], name) in flipped for row in rows])
        for method, listed in list_first(given_labels, own[rows], math.ceil(given.top * len(rows))).items():
            chosen = np.zeros(len(rows), bool)
            chosen[listed] = True
            table = np.column_stack([wrong, wrong & chosen, np.ones(len(rows)), chosen])
            counts.setdefault(method, {})[name] = sum_by_study(table, [studies[row] for row in rows])
    return counts


def list_first(labels: np.ndarray, probabilities: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Return the first rows by each method."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    both = np.column_stack([1 - probabilities, probabilities])
    options = {"labels": labels, "pred_probs": both}
    flags = find_label_issues(**options, filter_by="confident_learning", min_examples_per_class=0, n_jobs=1)
    plain = get_label_quality_scores(**options, method="self_confidence")
    scores = {
        DEFAULT: score_labels(labels, probabilities),
        "less the mean of the class": score_labels(labels, probabilities, "adjusted"),
        "cleanlab get_label_quality_scores": plain,
        "cleanlab the same, adjusted": get_label_quality_scores(**options, adjust_pred_probs=True),
        "cleanlab find_label_issues first": np.where(flags, plain - 1, plain),  # those that it flags, then the others
        "random": np.random.default_rng(0).random(len(labels)),
    }
    return {name: np.argsort(own, kind="stable")[:size] for name, own in scores.items()}


def sum_by_study(table: np.ndarray, studies: Sequence[str]) -> np.ndarray:
    """Return the sums of the rows of each study, (S, 4)."""
    names, places = np.unique(studies, return_inverse=True)
    sums = np.zeros((len(names), table.shape[1]))
    np.add.at(sums, places, table)
    return sums


def lift(sums: np.ndarray) -> tuple[float, float, float, float]:
    """Return how many times the random share of the flips is listed, its 95 % interval over studies, and the share.

    Args:
        sums: (S, 4): flips, listed flips, labels, listed labels of each study.
    """
    counts = sample_studies(len(sums), 2000, 0).astype(float)
    totals = sums.T @ counts
    values = (totals[1] / totals[0]) / (totals[3] / totals[2])
    whole = sums.sum(axis=0)
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(whole[1] / whole[0] / (whole[3] / whole[2])), float(low), float(high), float(whole[1] / whole[0])


def write_corrections(given: Namespace, root: Path, predicted: Predicted, path: Path) -> int:
    """Correct the listed labels by the phantom's truth, as an expert would; return how many change their meaning."""
    columns = zip(COMPETITION, predicted.labels.T, predicted.probabilities.T, strict=True)
    issues = [
        one for name, labels, scores in columns for one in rank_issues(name, labels, scores, str(given.top)).issues
    ]
    write_issues(path, issues, predicted.names)
    header, rows = read_rows(path)
    truth = {row["Path"]: row for row in read_rows(root / "phantom/truth.csv")[1]}
    for row in rows:
        row["corrected"] = truth[row["Path"].removeprefix(f"{FOLDER}/")][row["observation"]]
    write_rows(path, header, rows)
    return sum((row["label"] == "1") != (row["corrected"] == "1") for row in rows)


class Pair(NamedTuple):
    """Scores (N, 5) on valid by flipped and by corrected training labels, its true labels, and the studies."""

    flipped: np.ndarray
    corrected: np.ndarray
    labels: np.ndarray
    studies: list[str]


def train_pair(given: Namespace, seed: int, root: Path, corrections: Path) -> Pair:
    """Train networks with the flipped labels and with the corrected ones, and predict valid."""
    found = []
    for name, extra in (("flipped", []), ("corrected", [f"data.corrections={corrections}"])):
        out = given.out / f"seed{seed}/{name}"
        train(root, out, [f"seed={seed}", *extra, *list_settings(given)])
        found.append(read_run(next(out.glob("[0-9]*")), "valid", "image"))
    columns = [list(found[0].observations).index(name) for name in COMPETITION]
    flipped, corrected = (one.scores[:, columns] for one in found)
    return Pair(flipped, corrected, found[0].labels[:, columns], [find_study(name) for name in found[0].names])


def compare_pairs(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the mean over phantoms of the difference in mean AUROC on the truth of valid, corrected less flipped.

    Whole studies are resampled in each phantom: the interval is of these models.
    """
    single, replicates = [], []
    for seed, pair in enumerate(pairs):
        numbers = np.unique(pair.studies, return_inverse=True)[1]
        counts = np.vstack([np.ones((1, len(numbers)), np.uint8), resample_studies(numbers, 1000, seed)])
        new, old = (auroc_replicates(own, pair.labels, counts).mean(1) for own in (pair.corrected, pair.flipped))
        single.append([float(old[0]), float(new[0])])
        replicates.append((new - old)[1:])
    value = float(np.mean([new - old for old, new in single]))
    return {"difference": list(paired_interval(value, np.mean(replicates, axis=0), len(pairs))[:3]), "aurocs": single}
