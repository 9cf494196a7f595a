"""A run folder without a run: every file that a report reads, made in a second, with known content."""

import csv
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from chexpert.evaluation.run import evaluate_run
from chexpert.metrics import LocalMap, write_map
from chexpert.runs import files as run_files

OBSERVATIONS = ("Edema", "Cardiomegaly", "Consolidation")
EXPLAINERS = ("hirescam", "lime")
CONFIG = {
    "name": "made-up", "seed": 3, "level": "image", "study_score": "max", "calibration": "platt",
    "mean_over": list(OBSERVATIONS), "observations": list(OBSERVATIONS),
    "labels": {"_target_": "chexpert.data.LabelPolicy", "uncertain": [0.55, 0.85]},
    "data": {"root": "/data/ward 3/DOE^JANE", "image_size": 64}, "explain": {"views": ["ward 3/DOE^JANE.dcm"]},
}  # fmt: skip
STATE = {
    "state": "finished", "why": None, "command": "chexpert train data.root=/data/ward", "seconds": 125.0,
    "overrides": ["data.root=/data/ward 3/DOE^JANE", "seed=3"], "started": "2026-11-25T06:04:12+00:00",
    "versions": {"python": "3.11.7", "torch": "2.10.0"},
}  # fmt: skip


def make_run(folder: Path, *, images: Sequence[str] = (), rows: int = 60, seed: int = 0) -> Path:
    """A finished run with a development split; ``images`` replace the names of the first validation images."""
    rng = np.random.default_rng(seed)
    for split, first in (("dev", 100), ("valid", 64541)):
        names = [f"{split}/patient{first + n:05d}/study1/view1_frontal.jpg" for n in range(rows)]
        _write_tables(folder, split, [*images, *names[len(images) :]] if split == "valid" else names, rng)
    run_files.write_json(folder / run_files.METRICS, make_metrics(rows))
    evaluate_run(folder, CONFIG)
    (folder / run_files.CONFIG).write_text(yaml.safe_dump(CONFIG))
    run_files.write_json(folder / run_files.STATE, STATE)
    counts = {"images": rows, "studies": rows, "patients": rows, "fingerprint": "ab" * 32}
    place = {"layout": "CheXpert-v1.0-small", "folder": "/data/ward 3/DOE^JANE", "labels": "valid.csv"}
    run_files.write_json(folder / run_files.DATA, {"views": "frontal", "splits": {"valid": counts | place}})
    write_events(folder / run_files.TENSORBOARD)
    run_files.write_json(folder / run_files.EXPLANATIONS / run_files.QUALITY, make_quality())
    explained = list(images) or [f"valid/patient{64541 + n}/study1/view1_frontal.jpg" for n in range(2)]
    for explainer in EXPLAINERS:
        write_explanations(folder / run_files.EXPLANATIONS, explainer, explained)
    return folder


def make_metrics(rows: int) -> dict[str, Any]:
    """metrics.json; its AUROC stand in the evaluation too."""
    auroc = {name: {"value": 0.75, "positives": rows // 2, "negatives": rows - rows // 2} for name in OBSERVATIONS}
    own = {"level": "image", "n": rows, "auroc": auroc, "auroc_mean": 0.75, "auroc_mean_over": list(OBSERVATIONS)}
    splits = {"dev": own | {"labels": "train.csv"}, "valid": own | {"labels": "valid.csv"}}
    chosen = {"epoch_chosen_on": "dev", "best_epoch": 1, "seconds": 120.0}
    return splits | chosen | {"skipped": ["valid/patient70000/study1/view1_frontal.jpg"]}


def _write_tables(folder: Path, split: str, names: Sequence[str], rng: np.random.Generator) -> None:
    labels = (rng.random((len(names), len(OBSERVATIONS))) < 0.5).astype(int)
    scores = np.clip(0.2 + 0.3 * labels + 0.3 * rng.random(labels.shape), 0, 1)
    run_files.write_predictions(
        run_files.predictions(folder, split), OBSERVATIONS, zip(names, scores.tolist(), strict=True)
    )
    path = run_files.labels(folder, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS])
        for n, (name, own) in enumerate(zip(names, labels.tolist(), strict=True)):
            writer.writerow([name, ("Female", "Male")[n % 2], 30 + n, "Frontal", ("AP", "PA")[n % 3 == 0], *own])


def write_events(folder: Path) -> None:
    """Two epochs of four steps."""
    writer = EventFileWriter(str(folder))
    scalars = [("train/loss", step, 1 - 0.1 * step) for step in range(8)]
    scalars += [("val/loss", step, 0.5) for step in (3, 7)] + [("lr-AdamW", step, 1e-3) for step in range(8)]
    scalars += [(f"val/auroc/{name}", step, 0.6 + 0.02 * step) for name in OBSERVATIONS for step in (3, 7)]
    for tag, step, value in scalars:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()


def write_explanations(folder: Path, explainer: str, views: Sequence[str], names: Sequence[str] = OBSERVATIONS) -> None:
    """Two observations of each view; the maps of an image of 80 x 64 pixels are 32 x 32."""
    entries = []
    for number, view in enumerate(views):
        image = run_files.image(folder, view)
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((64, 80), 90 + number, "uint8")).save(image)
        for place, name in enumerate(names[:2]):
            signed = np.zeros((32, 32), "float32")
            signed[:16], signed[16:] = 1, -1
            local = LocalMap(np.maximum(signed, 0), 0.5, 80, 64, None, np.diag([0.4, 0.5, 1.0]), (32, 32))
            write_map(run_files.attribution_map(folder, explainer, view, name), local, signed=signed)
            truth = (1, 0, None)[(number + place) % 3]
            entries.append(
                {"view": view, "observation": name, "probability": 0.2 + 0.3 * ((number + place) % 3), "truth": truth,
                 "width": 80, "height": 64, "scale": 1.0, "positive_evidence": True,
                 "outline": [[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75]]]}
            )  # fmt: skip
    run_files.write_json(folder / explainer / run_files.MANIFEST, entries)


def make_quality(explainers: Sequence[str] = EXPLAINERS, names: Sequence[str] = OBSERVATIONS) -> dict[str, Any]:
    """quality.json: the first explainer is sane, the others are not."""
    own = {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 8}
    metrics: Mapping[str, Any] = {
        "auroc": 0.75, "n": 8, "without_evidence": 0, "hit_normalized": own, "relevance_over_area": own,
        "gap_over_random": own, "sanity": {"top_block_size": own, "passed": None}, "right_for_the_right_reason": own,
    }  # fmt: skip
    return {
        "split": "valid",
        "masks": "/data/masks.json",
        "explainers": {
            name: {"control": False, "sanity": {"passed": name == explainers[0]},
                   "observations": dict.fromkeys(names, metrics)}
            for name in explainers
        },
    }  # fmt: skip


def edit_json(path: Path, change: Any) -> None:
    """Writes back what ``change`` makes of a file."""
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
