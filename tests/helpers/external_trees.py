"""Tiny trees of external data sets: tables with the published headers, and gray images painted by number."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
NIH_BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


def paint(path: Path, number: int, size: tuple[int, int] = (48, 48)) -> None:
    """Write a gray image in which something can be seen, another one for each number."""
    width = size[1]
    gray = np.random.default_rng(number).integers(0, 80, size) + np.linspace(0, 150, width)[None, :]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray.astype(np.uint8)).save(path)


def write_lines(path: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    """Write a table with this header, and the cells of each row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(header + "\n")
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


NIH_LABELS = (
    "Cardiomegaly|Effusion",
    "No Finding",
    "Mass|Nodule",
    "Infiltration",
    "Atelectasis|Edema",
    "Consolidation",
)


def write_nih(root: Path, patients: int = 12, images: int = 2) -> Path:
    """Write NIH ChestX-ray14 with this number of patients; those with even numbers are in the official test list."""
    rows, test = [], []
    for patient in range(1, patients + 1):
        for order in range(images):
            name = f"{patient:08d}_{order:03d}.png"
            label = NIH_LABELS[(patient * images + order) % len(NIH_LABELS)]
            sex, view = "MF"[patient % 2], ("PA", "AP")[order % 2]
            rows.append((name, label, order, patient, f"{20 + patient}", sex, view, 2500, 2048, 0.168, 0.168, ""))
            test += [name] * (patient % 2 == 0)
            paint(root / f"images_{patient % 2 + 1:03d}" / "images" / name, patient * 10 + order)
    write_lines(root / "Data_Entry_2017_v2020.csv", NIH_HEADER, rows)
    names = [row[0] for row in rows]
    (root / "test_list.txt").write_text("\n".join(test))
    (root / "train_val_list.txt").write_text("\n".join(name for name in names if name not in test))
    boxes = [
        ("00000002_000.png", "Cardiomegaly", 256.0, 512.0, 512.0, 256.0, "", "", ""),
        ("00000002_000.png", "Infiltrate", 0, 0, 100, 100),
        ("00000002_001.png", "Mass", 0.4, 0.0, 64.2, 32.0, "", "", ""),
        ("00000002_001.png", "Nodule", 960, 992, 64, 32, "", "", ""),
        ("00000001_000.png", "Effusion", 10, 10, 20, 20, "", "", ""),
    ]
    write_lines(root / "BBox_List_2017.csv", NIH_BOXES, boxes)
    return root
