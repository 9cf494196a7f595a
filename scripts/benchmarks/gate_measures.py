"""The measures of gate_flags.py: flagged images by kind, and the gate's cost."""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from foreign_images import write_foreign, write_transformed
from sklearn.metrics import roc_auc_score

from chexpert.checkpoints import Loaded, load
from chexpert.data import read_gray, write_phantom
from chexpert.gate import FeatureDistance, Gate
from chexpert.gate.feature_distance import fit_distance
from chexpert.gate.folds import assign_folds
from chexpert.gate.thumbnails import make_thumbnails
from chexpert.gate.view_check import fit_view_check
from chexpert.image_size import ImageSize
from chexpert.inference.gating import NO_GATE, Gating, open_gating
from chexpert.inference.inputs import InputImage
from chexpert.inference.predicted_batches import run_model
from chexpert.models.pooled_features import pool_batch

FOLDS = 4


def measure(given: argparse.Namespace) -> None:
    """Measure flags and cost as the arguments of ``gate_flags.py`` ask for, and write and print them."""
    loaded, gating = load(given.run), open_gating(given.run, load(given.run), "flag")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frontals, others = paint_phantoms(folder, given.seeds, given.patients, loaded)
        sets = {"phantom frontals": frontals} | others | write_foreign(folder / "foreign")
        real = list_images(given.images) if given.images else []
        sets |= {"real frontals under the phantom's model": real} if real else {}
        result: dict[str, Any] = {"real": cross_fit(loaded, given.images, folder / "real")} if given.images else {}
        result["phantom"] = measure_sets(loaded, gating, sets)
        result["cost"] = time_gate(loaded, gating, frontals[: given.timed], given.rounds)
    given.json.write_text(json.dumps(result, indent=1))
    print(json.dumps(result["cost"], indent=1))


def list_images(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*_frontal.jpg"))


def paint_phantoms(
    folder: Path, seeds: Sequence[int], patients: int, loaded: Loaded
) -> tuple[list[Path], dict[str, list[Path]]]:
    """Frontals of phantoms that the run has not seen; their laterals, and the first frontals transformed."""
    frontals, laterals = list[Path](), list[Path]()
    for seed in seeds:
        size = max(loaded.preprocessing.size.height, 64)
        root = write_phantom(folder / f"seed{seed}", patients=0, valid=patients, size=size, seed=seed, laterals=0.3)
        frontals += list_images(root)
        laterals += sorted(root.rglob("*_lateral.jpg"))
    gray = {f"{n}.png": read_gray(path) for n, path in enumerate(frontals[:60])}
    return frontals, {"laterals": laterals} | write_transformed(folder / "changed", gray)


def score(loaded: Loaded, gating: Gating, files: Sequence[Path]) -> tuple[list[float], list[str]]:
    """The distance of each image, and the reasons to flag it; no image is left out."""
    assert gating.gate is not None
    distances: list[float] = []

    class Watched(FeatureDistance):
        def measure(self, features: np.ndarray) -> np.ndarray:
            found = super().measure(features)
            distances.extend(found.tolist())
            return found

    watched = replace(gating.gate, distance=Watched(**vars(gating.gate.distance)))
    flags: dict[int, str] = {}
    images = [InputImage(str(file), str(file)) for file in files]
    for batch in run_model(loaded, images, range(len(images)), 16, 0, iter, gating=replace(gating, gate=watched)):
        flags |= batch.flagged
    assert len(distances) == len(files)
    return distances, [flags.get(number, "") for number in range(len(files))]


def describe(flags: Sequence[str]) -> dict[str, Any]:
    """The number of images, the share of flagged ones, and the number by reason: an image may have several."""
    reasons = Counter(reason.partition(":")[0] for own in flags if own for reason in own.split("; "))
    return {"n": len(flags), "flagged": round(sum(map(bool, flags)) / len(flags), 4), "by_reason": dict(reasons)}


def measure_sets(loaded: Loaded, gating: Gating, sets: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """Describe each set, and the AUROC of its distances against those of the first one."""
    first: list[float] = []
    table = {}
    for name, files in sets.items():
        distances, flags = score(loaded, gating, files)
        first = first or distances
        truth = [0] * len(first) + [1] * len(distances)
        auroc = None if first is distances else round(float(roc_auc_score(truth, first + distances)), 4)
        table[name] = describe(flags) | {"auroc_of_distance": auroc}
        print(name, table[name], flush=True)
    return table


def time_gate(loaded: Loaded, gating: Gating, files: Sequence[Path], rounds: int) -> dict[str, Any]:
    """CPU seconds with and without the gate, in turn, at 224 px, reading included; and the most memory resident."""
    large = replace(loaded, preprocessing=replace(loaded.preprocessing, size=ImageSize(224, 224)))
    images = [InputImage(str(file), str(file)) for file in files]

    def predict(used: Gating) -> float:
        start = time.process_time()
        for _ in run_model(large, images, range(len(images)), 16, 0, iter, gating=used):
            pass
        return time.process_time() - start

    seconds: dict[str, list[float]] = {"off": [], "flag": []}
    peaks: dict[str, list[int]] = {"off": [], "flag": []}
    for counted in [False] + [True] * rounds:
        for name, used in (("off", NO_GATE), ("flag", gating)):
            found = predict(used)
            peaks[name].append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
            if counted:
                seconds[name].append(round(found, 2))
    ratios = [flag / off for off, flag in zip(seconds["off"], seconds["flag"], strict=True)]
    more = peaks["flag"][0] - peaks["off"][0]
    return {
        "images": len(images), "seconds": seconds, "ratio": round(median(ratios), 4),
        "ratios": [round(ratio, 3) for ratio in ratios], "peak_mib": peaks, "more_mib_at_first_use": more,
    }  # fmt: skip


def cross_fit(loaded: Loaded, images: Path, folder: Path) -> dict[str, Any]:
    """Gates fitted on three quarters of the patients, with the run's network, applied to the others."""
    files = list_images(images)
    patients = [next(part for part in file.parts if part.startswith("patient")) for file in files]
    gray = {f"{n}.png": read_gray(file) for n, file in enumerate(files)}
    sets = {"frontals": read(loaded, files)}
    sets |= {kind: read(loaded, own) for kind, own in write_transformed(folder / "changed", gray).items()}
    foreign = {kind: read(loaded, own) for kind, own in write_foreign(folder / "foreign").items()}
    shown, features = sets["frontals"]
    folds = assign_folds(patients, FOLDS, seed=0)
    flags: dict[str, list[list[str]]] = {}
    for fold in range(FOLDS):
        known, left_out = folds != fold, folds == fold
        own = [patient for patient, there in zip(patients, known, strict=True) if there]
        thumbnails, nothing = make_thumbnails(shown[known]), make_thumbnails(shown[:0])
        view = fit_view_check(thumbnails, own, nothing, [], seed=0)
        gate = Gate("", view, fit_distance("mahalanobis", features[known], own, features[:0], seed=0))
        for kind, (seen, pooled) in sets.items():
            flags.setdefault(kind, []).extend(gate.check(seen[left_out], pooled[left_out]))
        for kind, (seen, pooled) in foreign.items():
            flags.setdefault(kind, []).extend(gate.check(seen, pooled))
    table = {kind: describe(["; ".join(reasons) for reasons in own]) for kind, own in flags.items()}
    for name, row in table.items():
        print("real:", name, row, flush=True)
    return table


def read(loaded: Loaded, files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W) as the model sees them, and their pooled features (N, D)."""
    images = np.stack([loaded.preprocessing.read(file) for file in files])
    return images, pool_batch(loaded.model, torch.from_numpy(images)[:, None]).numpy()
