"""Tiny trees of external data sets: tables with the published headers, and gray images painted by number."""

import csv
import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.dicom import make_dicom

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
NIH_BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


def paint(path: Path, number: int, size: tuple[int, int] = (48, 48)) -> None:
    """Write a gray image in which something can be seen, another one for each number."""
    coarse = np.random.default_rng(number).integers(0, 256, (8, 8)).astype(np.uint8)  # no two are nearly the same
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC).save(path)


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


def write_whole_nih(root: Path, published: dict) -> Path:
    """Write NIH's tables, without images, so that they have its published counts.

    A patient of the first list has three or four images, one of the second nine or ten; the 28,008 and 2,797 patients
    are those of the official lists.
    """
    patients = [number for number in range(1, 28_009) for _ in range(3 + (number <= 2_500))]
    patients += [number for number in range(28_009, 30_806) for _ in range(9 + (number <= 28_431))]
    findings = [name for name, count in published["labels"].items() if name != "No Finding" for _ in range(count)]
    labeled = len(patients) - published["labels"]["No Finding"]
    labels = ["|".join(findings[row::labeled]) for row in range(labeled)] + ["No Finding"] * (len(patients) - labeled)
    rows, seen = [], dict.fromkeys(patients, 0)
    for row, (patient, label) in enumerate(zip(patients, labels, strict=True)):
        sex = "M" if row < published["sex"]["Male"] else "F"
        view = "PA" if row < published["views"]["frontal_pa"] else "AP"
        name = f"{patient:08d}_{seen[patient]:03d}.png"
        rows.append((name, label, seen[patient], patient, 50, sex, view, 2048, 2500, 0.139, 0.139, ""))
        seen[patient] += 1
    write_lines(root / "Data_Entry_2017_v2020.csv", NIH_HEADER, rows)
    bound = published["splits"]["train and valid"]
    (root / "train_val_list.txt").write_text("\n".join(row[0] for row in rows[:bound]))
    (root / "test_list.txt").write_text("\n".join(row[0] for row in rows[bound:]))
    return root


CHEXPERT_LABELS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,"
    "No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)


def write_mimic(root: Path, patients: int = 6, *, packed: bool = False) -> Path:
    """Write MIMIC-CXR-JPG: each patient has a study with a PA and a lateral view; one study has no labels."""
    metadata, splits, labels = [], [], []
    for patient in range(patients):
        subject, study = 10_000_000 + patient, 50_000_000 + patient
        for view in ("PA", "LATERAL"):
            dicom = "-".join(f"{patient * 10 + (view == 'PA'):08x}" for _ in range(5))
            metadata.append((dicom, subject, study, "CHEST (PA AND LAT)", view, 2544, 3056, 21800506, 213014.531))
            splits.append((dicom, study, subject, ("train", "train", "validate", "test")[patient % 4]))
            paint(root / "files" / f"p{subject}"[:3] / f"p{subject}" / f"s{study}" / f"{dicom}.jpg", patient)
        cells = ["", "1.0", "-1.0", "0.0", *[""] * 9, "1.0"]
        if patient != 1:
            labels.append((subject, study, *cells))
    header = (
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime"
    )
    write_lines(root / "mimic-cxr-2.0.0-metadata.csv", header, metadata)
    write_lines(root / "mimic-cxr-2.0.0-split.csv", "dicom_id,study_id,subject_id,split", splits)
    for name, own in (("chexpert", labels), ("negbio", [(*row[:2], *row[2:][::-1]) for row in labels])):
        write_lines(root / f"mimic-cxr-2.0.0-{name}.csv", f"subject_id,study_id,{CHEXPERT_LABELS}", own)
    for path in root.glob("*.csv") if packed else ():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return root


VINDR_LABELS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,"
    "Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,"
    "Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,"
    "Tuberculosis"
)


def write_vindr(root: Path, train: int = 12, test: int = 4, *, png: bool = False) -> Path:
    """Write VinDr-CXR: of training image n the first n % 4 of three readers see Cardiomegaly."""
    names = VINDR_LABELS.split(",")
    for split, count, last in (("train", train, "Other diseases"), ("test", test, "Other disease")):
        rows, boxes = [], []
        for number in range(count):
            image = f"{number + 1000 * (split == 'test'):032x}"
            for reader in range(3 if split == "train" else 1):
                seen = reader < number % 4 if split == "train" else number % 2 == 0
                own = [f"R{reader + 8}"] * (split == "train")
                cells = [int(name == "Cardiomegaly" and seen) for name in names]
                rows.append((image, *own, *cells, 0, int(not seen)))
                sides = (10.5, 20, 40, 60) if seen else ("", "", "", "")
                boxes.append((image, *own, "Cardiomegaly" if seen else "No finding", *sides))
            path = root / split / f"{image}.{'png' if png else 'dicom'}"
            if png:
                paint(path, number)
            else:
                gray = np.random.default_rng(int(image, 16)).integers(0, 4096, (80, 64))
                make_dicom(path, gray.astype(np.uint16))
        reader = "rad_id," * (split == "train")
        header = f"image_id,{reader}{VINDR_LABELS},{last},No finding"
        write_lines(root / "annotations" / f"image_labels_{split}.csv", header, rows)
        header = f"image_id,{reader}class_name,x_min,y_min,x_max,y_max"
        write_lines(root / "annotations" / f"annotations_{split}.csv", header, boxes)
    return root


def name_rsna(number: int) -> str:
    """Return the name of a patient of the challenge."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def write_rsna(root: Path, patients: int = 20) -> Path:
    """Write the RSNA challenge: every third patient has an opacity, with two boxes."""
    boxes, classes = [], []
    for number in range(patients):
        name, kind = name_rsna(number), number % 3
        own = [(264, 152, 213, 379, 1), (562.0, 152.0, 256.0, 453.0, 1)] if kind == 0 else [("", "", "", "", 0)]
        boxes += [(name, *row) for row in own]
        word = ("Lung Opacity", "Normal", "No Lung Opacity / Not Normal")[kind]
        classes += [(name, word)] * len(own)
        paint(root / "stage_2_train_images" / f"{name}.png", number)
    write_lines(root / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", boxes)
    write_lines(root / "stage_2_detailed_class_info.csv", "patientId,class", classes)
    return root


PADCHEST_LABELS = (
    "['normal']", "['pleural effusion', ' cardiomegaly', 'aortic elongation']", "['unchanged']", "",
    "['exclude', 'pneumonia']", "['nodule', 'nsg tube']",
)  # fmt: skip


def write_padchest(root: Path, patients: int = 24, *, packed: bool = False) -> Path:
    """Write PadChest: each patient has a study with a PA and a lateral view."""
    rows = []
    for patient in range(patients):
        for view in ("PA", "L"):
            name = f"2168401113669640{patient:04d}_{'00' if view == 'PA' else '01'}-001-{patient:03d}.png"
            if patient % 2:  # others are named after their study
                name = f"2053668664013634823614867989145588{patient:04d}_{'k6ga29' if view == 'PA' else '5x.0d-a'}.png"
            labels = PADCHEST_LABELS[patient % len(PADCHEST_LABELS)]
            study, sex = f"77{patient:06d}{('', '-2', '_5')[patient % 3]}", ("M", "F", "nan", "O")[patient % 4]
            row = (name, patient % 2, "20140915", study, f"88{patient:06d}", "1938.0" if patient % 5 != 4 else "", sex)
            rows.append((len(rows), *row, view, "rx torax, pa y lateral", labels))
            paint(root / f"{patient % 2}" / name, patient * 2 + (view == "L"))
    header = (
        ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,Projection,Report,Labels"
    )
    path = write_lines(root / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", header, rows)
    if packed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return root
