"""RSNA Pneumonia Detection Challenge: 26,684 frontal views of NIH ChestX-ray14, relabeled and outlined by radiologists.

Sources: Shih et al. 2019 (doi.org/10.1148/ryai.2019180041), kaggle.com/c/rsna-pneumonia-detection-challenge; headers
and places as public code reads them (github.com/mlmed/torchxrayvision, RSNA_Pneumonia_Dataset). View, sex and age are
in the headers of the DICOM files alone, which are not read for them.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.data.sources.external.counterparts import Counterpart, LabelTable
from chexpert.data.sources.external.external_set import (
    TEST_SHARE,
    VALID_SHARE,
    Box,
    ExternalSet,
    SourceRows,
    divide_patients,
    locate_by_name,
    make_frame,
)
from chexpert.data.sources.external.source_table import find_table, read_source
from chexpert.errors import UserError
from chexpert.runs.identifiers import SETS as IDENTIFIERS

OPACITY, OTHER, NORMAL = "Lung Opacity", "No Lung Opacity / Not Normal", "Normal"
LABELS = LabelTable(
    {
        "Target": Counterpart("Pneumonia", "an opacity that raises the suspicion of pneumonia"),
        OPACITY: Counterpart("Lung Opacity", "the same images: opacities of another kind are in the class below"),
        OTHER: Counterpart(None, "abnormal in whatever way"),
        NORMAL: Counterpart("No Finding"),
    }
)
NAMES = IDENTIFIERS["rsna"]
PATIENT = re.compile(NAMES.image)
BOX = ("x", "y", "width", "height")
SIDE = 1024  # pixels of every image
FOLDER = "stage_2_train_images"


class RsnaPneumonia(ExternalSet):
    """The second stage of the challenge, as Kaggle distributes it; its test images have no labels."""

    variant = "rsna"
    name = "RSNA Pneumonia"
    expected = "stage_2_train_labels.csv"
    sources = (
        "https://doi.org/10.1148/ryai.2019180041",
        "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
    )
    table = LABELS
    split_note = (
        "none is official: a tenth of the patients is valid and two tenths are test, by a hash; all images are of "
        "NIH ChestX-ray14, so a model that was trained on one of the two is not evaluated on the other"
    )
    expert = True
    family = "NIH ChestX-ray14"
    folders = (FOLDER,)
    published = {
        "images": 26_684,
        "patients": 26_684,
        "labels": {"Target": 6_012, OPACITY: 6_012, OTHER: 11_821, NORMAL: 8_851},
    }

    def find_tables(self, root: Path) -> dict[str, Path]:
        """Return the boxes, which name every patient, and the classes."""
        found = {
            "boxes": find_table(root, "stage_2_train_labels.csv"),
            "classes": find_table(root, "stage_2_detailed_class_info.csv"),
        }
        return {what: path for what, path in found.items() if path} if found["boxes"] else {}

    def list_splits(self, tables: Mapping[str, Path]) -> dict[str, Path]:
        """Return the table for train, valid and test."""
        return dict.fromkeys(("train", "valid", "test"), tables["boxes"])

    def read(self, root: Path, tables: Mapping[str, Path], labeler: str | None = None) -> SourceRows:
        """Read both tables; a patient has one image, and a row for each box."""
        if "classes" not in tables:
            hint = f"put stage_2_detailed_class_info.csv of {self.sources[1]} into the folder"
            raise UserError("no stage_2_detailed_class_info.csv", code="missing-table", where=str(root), hint=hint)
        table = read_source(tables["boxes"], ("patientId", *BOX, "Target"), self.name)
        wrong = np.array([not PATIENT.fullmatch(cell) for cell in table["patientId"]])
        table.refuse_first("patientId", wrong, "no patient of the challenge")
        values = np.array(table.translate("Target", {"0": 0.0, "1": 1.0}, "the target is not 0 or 1"), dtype=float)
        rows, patients = pd.factorize(pd.Series(table["patientId"], dtype="object"))
        targets = np.bincount(rows, weights=values) > 0
        table.refuse_first("Target", (values > 0) != targets[rows], "another row of this patient has another target")
        classes = read_source(tables["classes"], ("patientId", "class"), self.name)
        known = dict(zip(classes["patientId"], classes["class"], strict=True))
        classes.translate("class", dict.fromkeys((OPACITY, OTHER, NORMAL)), "unknown class")
        own = np.array([known.get(patient, "") for patient in patients])
        table.refuse_first("patientId", (own == "")[rows], f"{tables['classes'].name} does not list this patient")
        table.refuse_first("Target", ((own == OPACITY) != targets)[rows], "not the class of this patient")
        names = list(patients)
        keys = [f"{NAMES.folder}/{name}" for name in names]
        columns = {
            "path": [f"{key}.dcm" for key in keys], "key": keys, "patient": names, "study": names, "view": names,
            "split": divide_patients(names, self.variant, {"valid": VALID_SHARE, "test": TEST_SHARE}),
            "place": [f"{name}.dcm" for name in names], "projection": "frontal", "sex": "", "age": np.nan,
        }  # fmt: skip
        labels = {name: (own == name).astype("float32") for name in (OPACITY, OTHER, NORMAL)}
        return SourceRows(make_frame(columns), {"Target": targets.astype("float32"), **labels})

    def locate(self, root: Path, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image of each row: stage_2_train_images/<patientId>.dcm, or of another ending."""
        return locate_by_name(root, [root / FOLDER], list(frame["place"]))

    def read_boxes(self, root: Path, tables: Mapping[str, Path], frame: pd.DataFrame) -> list[Box]:
        """Return the boxes on these rows, each for both labels that it is of."""
        table = read_source(tables["boxes"], ("patientId", *BOX, "Target"), self.name)
        paths, found = dict(zip(frame["patient"], frame["path"], strict=True)), []
        for row, patient in enumerate(table["patientId"]):
            if table["Target"][row] != "1" or patient not in paths:
                continue
            try:
                left, top, width, height = (float(table[name][row]) for name in BOX)
            except ValueError:
                table.refuse(row, "x", "x, y, width, height are no four numbers, the first")
            where = f"{table.path}, line {table.lines[row]}"
            sides = (left, top, left + width, top + height)
            found += [Box(paths[patient], label, *sides, (SIDE, SIDE), where) for label in ("Target", OPACITY)]
        return found
