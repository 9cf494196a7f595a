"""A folder that has a small file or run for each name on the pages, so that their commands can be run in it."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np

from chexpert.data import write_phantom
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external.export import export_split
from chexpert.metrics import LocalMap, write_map, write_segmentations
from chexpert.metrics.localization.run_lengths import encode
from chexpert.observations import COMPETITION
from chexpert.report.model_card.card import write_model_card
from chexpert.report.run_data import RunData
from helpers.autoencoders import write_random_autoencoder
from helpers.external_trees import write_lines, write_nih
from helpers.folds import write_expert, write_folds, write_reports
from helpers.leaderboards import make_scores, write_board, write_scores
from helpers.learned_targets import write_targets
from helpers.runs import PROJECT, train
from helpers.scored_explainers import write_quality

RUNS = ("RUN_A", "RUN_B", "RUN_C", "outputs/RUN", "outputs/a", "outputs/b", "outputs/c", "outputs/chexpert/2026-01-01",
        "outputs/densenet121_original/2026-01-01", "outputs/irvin2019/2026-01-01")  # fmt: skip
TABLES = ("P.csv", "a.csv", "b.csv", "one.csv", "two.csv", "ensemble.csv", "predictions.csv")
MASKED = [f"patient{number}_study1_view1_frontal" for number in range(64741, 64744)]
SMALL = [
    "data.image_size=64",
    "data.num_workers=0",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=2",
    "trainer.val_check_interval=1.0",
    "trainer.accelerator=cpu",
    "pretrained=false",
    "explain.count=1",
    "explain.top=1",
    "explain.score=0",
]
"""Settings that make any training small."""
SMALL_PHANTOM = ["data.root.patients=12", "data.root.valid=24", "data.root.size=96", "data.root.workers=1"]


def write_folder(folder: Path, phantom: Path) -> None:
    """Fill a folder: data, one trained run under each name that the pages give to one, tables, images and masks."""
    _link_data(folder, phantom)
    splits = ["data.dev=0.25", "data.test=true", "tta=shift"]
    settings = ["data=small", f"data.root={phantom}", *splits, "explainer=[hirescam]"]
    done = train(*settings, *SMALL, f"hydra.run.dir={folder / 'RUN'}", cwd=folder)
    assert done.returncode == 0, done.stderr
    write_model_card(RunData.read(folder / "RUN"))  # a run without plots has no report, and so no card
    _write_quality(folder)
    for name in RUNS:
        shutil.copytree(folder / "RUN", folder / name)
    for sweep in ("SWEEP", "outputs/sweep", "outputs/chexpert/sweep"):
        for job in "01":
            shutil.copytree(folder / "RUN", folder / sweep / job)
    _write_tables(folder, phantom)
    _write_masks(folder)
    _write_reports(folder)
    _write_external(folder)
    (folder / "earlier").mkdir()
    write_random_autoencoder(folder / "earlier/autoencoder.safetensors", 64)
    write_board(folder / "cheXpert-test-set-labels")
    (folder / "FOLDER").symlink_to("cheXpert-test-set-labels")


def _write_external(folder: Path) -> None:
    """Write a small NIH ChestX-ray14, what chexpert external writes of it, predictions, and maps of its boxes."""
    layout = find_layout(write_nih(folder / "nih", patients=60))
    split = export_split(layout, "test", "frontal", folder / "nih-test", None)
    names = layout.data_set.table.observations
    rows = [(path, *("0.5" for _ in names)) for path in split.frame["path"]]
    write_lines(folder / "nih-predictions.csv", ",".join(["Path", *names]), rows)
    for view in split.masks:
        file = folder / "nih-maps/gradcam/maps" / f"{view}_Cardiomegaly_map.npz"
        write_map(file, LocalMap(np.linspace(0, 1, 48 * 48).reshape(48, 48), 0.6, 48, 48))


def _write_quality(folder: Path) -> None:
    """Write scores of explainers, which such a small run has not."""
    values = {"Edema": {"iou": [0.25] * 6, "road": [1.0, 2.0] * 3}}
    write_quality(folder / "RUN/explanations", {"hirescam": values, "lime": values})
    write_quality(folder / "more", {"rise": values})


def _link_data(folder: Path, phantom: Path) -> None:
    for name in ("DATA", "OUT"):
        (folder / name).symlink_to(phantom)
    write_phantom(folder / "full", patients=12, valid=12, size=96, layout="full", workers=1)
    write_phantom(folder / "faulty", patients=12, valid=4, size=64, defects=["missing", "shared"], workers=1)
    write_phantom(folder / "ph", patients=12, valid=12, size=96, shortcut=0.9, workers=1)
    (folder / "docs").symlink_to(PROJECT / "docs")
    images = sorted((phantom / "CheXpert-v1.0-small/valid").rglob("*_frontal.jpg"))[:3]
    for name in ("images", "IMAGES"):
        (folder / name).mkdir()
        for number, image in enumerate(images):
            shutil.copy(image, folder / name / f"{number}.jpg")
    shutil.copy(images[0], folder / "image.jpg")


def _write_tables(folder: Path, phantom: Path) -> None:
    run = folder / "RUN"
    for name in TABLES:
        shutil.copy(run / "predictions/valid.csv", folder / name)
    (folder / "recalibrated").mkdir()
    for name in ("calibration.json", "prediction_sets.json"):
        shutil.copy(run / name, folder / "recalibrated" / name)
    (folder / "readers.csv").write_text("observation,reader,sensitivity,specificity\nEdema,one,0.6,0.9\n")
    for name in ("L.csv", "LABELS.csv", "EXPERT.csv"):
        shutil.copy(run / "labels/valid.csv", folder / name)
    with (phantom / "CheXpert-v1.0-small/valid.csv").open() as file:
        paths = [row["Path"] for row in csv.DictReader(file)]
    (folder / "valid_image_paths.csv").write_text("\n".join(["Path", *paths]) + "\n")
    (outlines,) = phantom.rglob("gt_segmentations_valid.json")
    shutil.copy(outlines, folder / "markers.json")
    (folder / "corrections.csv").write_text("Study,observation,corrected\ntrain/patient00001/study1,Edema,-1\n")
    (folder / "members.yaml").write_text("Edema: [outputs/a, outputs/b]\nConsolidation: [outputs/c]\n")


def _write_reports(folder: Path) -> None:
    """Write folds of enough studies for learned targets, expert labels of the run's studies, and a file of targets."""
    truth = write_reports(folder / "reports", 120)
    write_folds(folder / "FOLDS", folder / "reports", truth)
    with (folder / "DATA/phantom/truth.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "train/" in row["Path"]]
    shown = {"/".join(row["Path"].split("/")[-3:-1]): [int(row[name]) for name in COMPETITION] for row in rows}
    write_expert(folder / "EXPERT.csv", {study: np.array(own) for study, own in shown.items()}, len(shown))
    write_targets(folder / "targets.json", {name: [0.9, 0.1, 0.5, 0.1] for name in COMPETITION}, synthetic=True)


def _write_masks(folder: Path) -> None:
    mask = np.zeros((12, 9), bool)
    mask[2:6, 3:7] = True
    names = [
        "GT.json",
        "PRED.json",
        *(f"gt_segmentations_{split}.json" for split in ("valid", "val", "test")),
    ]
    for name in names:
        write_segmentations(folder / name, {view: {"Edema": encode(mask)} for view in MASKED})
    (folder / "tuned.json").write_text('{"Edema": {"threshold": 0.3}, "Cardiomegaly": {"threshold": "otsu"}}')
    for place in ("DIR", "VALDIR", "maps/gradcam/maps", "RUN/explanations/hirescam/maps"):
        shutil.rmtree(folder / place, ignore_errors=True)
        for view in MASKED:
            file = folder / place / f"{view}_Edema_map.npz"
            write_map(file, LocalMap(mask + np.linspace(0, 0.1, 9), 0.6, 9, 12))


def place_on_leaderboard(folder: Path) -> None:
    """Give the run predictions of the studies of the leaderboard."""
    write_scores(folder / "RUN/predictions/test.csv", make_scores(1.7, 42))


def copy_folder(template: Path, folder: Path) -> Path:
    """Copy the folder for one command; large files are linked."""
    return Path(shutil.copytree(template, folder, symlinks=True, copy_function=_link))


def _link(source: str, target: str) -> None:
    """Link weights and images; copy what a command may write into."""
    if source.endswith((".jpg", ".png", ".ckpt", ".safetensors")):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
