"""Run folders of patient folds with made-up out-of-fold predictions, without training."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.split import held_range, hold_out
from chexpert.data.summary import describe_source, summarize_split
from chexpert.observations import COMPETITION, OBSERVATIONS
from chexpert.runs import files as run_files


def write_reports(root: Path, patients: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Write CheXpert's tables without images: one study a patient; return by study whether each finding is there.

    A report says 1 of 90 % with a finding and 3 % without it, -1 of 5 % of both, 0 of a third of the rest.
    """
    rng, names = np.random.default_rng(seed), {}
    folder = root / "CheXpert-v1.0-small"
    header = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS)
    for split, first, count in (("train", 1, patients), ("valid", 64541, 5)):
        rows = []
        for number in range(first, first + count):
            shown = rng.random(5) < 0.3
            labels = dict.fromkeys(header[5:], "") | {
                name: _report(own, rng) for name, own in zip(COMPETITION, shown, strict=True)
            }
            names[f"patient{number:05d}/study1"] = shown
            path = f"CheXpert-v1.0-small/{split}/patient{number:05d}/study1/view1_frontal.jpg"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            rows.append([path, "Male", "50", "Frontal", "AP", *labels.values()])
        run_files.write_table(folder / f"{split}.csv", header, rows)
    return names


def _report(shown: bool, rng: np.random.Generator) -> str:
    if rng.random() < 0.05:
        return "-1.0"
    if rng.random() < (0.9 if shown else 0.03):
        return "1.0"
    return "0.0" if rng.random() < 1 / 3 else ""


def write_folds(
    folder: Path,
    root: Path,
    truth: dict[str, np.ndarray],
    folds: int = 2,
    seed: int = 0,
    frame: pd.DataFrame | None = None,
) -> Path:
    """Write the runs of a sweep over folds: config.yaml, data.json, state.json and predictions/dev.csv of each.

    They have read the table of train, or in its place this frame.
    """
    layout, rng = find_layout(root), np.random.default_rng(seed)
    for fold in range(folds):
        run = folder / str(fold)
        kept, held = hold_out(layout.read("train") if frame is None else frame, *held_range(None, folds, fold), seed)
        source = describe_source(layout, "train", None)
        splits = {"train": summarize_split(kept) | source, "dev": summarize_split(held) | source}
        run_files.write_json(run / run_files.DATA, {"views": "frontal", "splits": splits})
        run_files.write_json(run / run_files.STATE, {"state": "finished", "overrides": [f"data.fold={fold}"]})
        data = f"data: {{root: '{root}', views: frontal, folds: {folds}, fold: {fold}, labeler: null}}"
        config = f"seed: {seed}\nobservations: [{', '.join(COMPETITION)}]\nstudy_score: max\n{data}\n"
        run_files.write_text(run / run_files.CONFIG, config)
        studies = (held["patient"] + "/" + held["study"]).tolist()
        logits = rng.standard_normal((len(held), 5)) + 2.5 * np.array([truth[name] for name in studies])
        rows = zip(held["path"], (1 / (1 + np.exp(1 - logits))).tolist(), strict=True)
        run_files.write_predictions(run_files.predictions(run, "dev"), COMPETITION, rows)
    return folder


def write_expert(file: Path, truth: dict[str, np.ndarray], studies: int, split: str = "train") -> Path:
    """Write the truth of the first studies as expert labels."""
    rows = [(f"CheXpert-v1.0/{split}/{name}", shown) for name, shown in list(truth.items())[:studies]]
    with file.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["Study", *COMPETITION])
        table.writerows([name, *map(int, shown)] for name, shown in rows)
    return file
