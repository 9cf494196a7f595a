"""NIH ChestX-ray14: 112,120 frontal views with labels by text mining, 984 boxes on 880 of them.

Sources: Wang et al. 2017 (arxiv.org/abs/1705.02315), nihcc.app.box.com/v/ChestXray-NIHCC, its README for the columns;
headers as public code reads them (github.com/mlmed/torchxrayvision, datasets.py; sunlabuiuc/PyHealth, whose test has
the lines of a table with the trailing comma and "Patient Sex"). Boxes are in pixels of the 1024 x 1024 images.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.console import NOTE, log
from chexpert.data.sources.external.counterparts import Counterpart, LabelTable
from chexpert.data.sources.external.external_set import (
    VALID_SHARE,
    Box,
    ExternalSet,
    SourceRows,
    check_undivided,
    divide_patients,
    locate_by_name,
    make_frame,
)
from chexpert.data.sources.external.source_table import RESTORE, SourceTable, find_table, read_source
from chexpert.errors import UserError
from chexpert.runs.identifiers import SETS as IDENTIFIERS

NO_FINDING = "No Finding"
LABELS = LabelTable(
    {
        "Atelectasis": Counterpart("Atelectasis"),
        "Cardiomegaly": Counterpart("Cardiomegaly"),
        "Consolidation": Counterpart("Consolidation"),
        "Edema": Counterpart("Edema"),
        "Effusion": Counterpart("Pleural Effusion", "the only effusion among the 14 is the pleural one"),
        "Emphysema": Counterpart(None, "no observation of CheXpert"),
        "Fibrosis": Counterpart(None, "of the lung, while CheXpert's labeler counts that of the pleura"),
        "Hernia": Counterpart(None, "no observation of CheXpert"),
        "Infiltration": Counterpart(None, "of no fixed meaning: any of several kinds of Lung Opacity"),
        "Mass": Counterpart("Lung Lesion", "CheXpert's labeler has mass and nodule under Lung Lesion"),
        "Nodule": Counterpart("Lung Lesion", "CheXpert's labeler has mass and nodule under Lung Lesion"),
        "Pleural_Thickening": Counterpart(
            "Pleural Other", "the first phrase of CheXpert's labeler for it; scars of the pleura are not labeled"
        ),
        "Pneumonia": Counterpart("Pneumonia"),
        "Pneumothorax": Counterpart("Pneumothorax"),
        NO_FINDING: Counterpart("No Finding", "none of NIH's 14, where CheXpert has none of its own"),
    },
    {"Lung Opacity": "its parts are labeled, the whole is not: an opacity of another kind would count as negative"},
)
"""Phrases of CheXpert's labeler: github.com/stanfordmlgroup/chexpert-labeler, phrases/mention/."""

COLUMNS: tuple[str | tuple[str, ...], ...] = (
    "Image Index", "Finding Labels", "Patient ID", "Patient Age", ("Patient Gender", "Patient Sex"), "View Position",
)  # fmt: skip
NAMES = IDENTIFIERS["nih"]
IMAGE = re.compile(rf"({NAMES.image})\.{NAMES.ending}")
AGE = re.compile(r"([0-9]{1,3})([YMD]?)")
"""Years, in the first tables with their unit: 058Y, and 011M or 021D of infants."""
OLDEST = 120
SEXES = {"M": "Male", "F": "Female"}
VIEWS = {"PA": "frontal_pa", "AP": "frontal_ap"}
SIDE = 1024  # pixels of an image that boxes lie in
BOX_LABELS = {"Infiltrate": "Infiltration"}
"""What BBox_List_2017.csv spells otherwise."""
BOX_COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
OFFICIAL = {"train": "train_val_list.txt", "test": "test_list.txt"}


class NihChestXray14(ExternalSet):
    """NIH ChestX-ray14, as the Clinical Center distributes it."""

    variant = "nih"
    name = "NIH ChestX-ray14"
    expected = "Data_Entry_2017_v2020.csv or Data_Entry_2017.csv"
    sources = ("https://arxiv.org/abs/1705.02315", "https://nihcc.app.box.com/v/ChestXray-NIHCC")
    table = LABELS
    split_note = (
        "official: train_val_list.txt and test_list.txt; a tenth of the patients of the first is valid, by a hash; "
        "RSNA Pneumonia has some of these images under other names"
    )
    folders = ("images", "images_[0-9][0-9][0-9]")
    published = {
        "images": 112_120,
        "patients": 30_805,
        "labels": {
            "Atelectasis": 11_559, "Cardiomegaly": 2_776, "Consolidation": 4_667, "Edema": 2_303, "Effusion": 13_317,
            "Emphysema": 2_516, "Fibrosis": 1_686, "Hernia": 227, "Infiltration": 19_894, "Mass": 5_782,
            "Nodule": 6_331, "Pleural_Thickening": 3_385, "Pneumonia": 1_431, "Pneumothorax": 5_302,
            NO_FINDING: 60_361,
        },
        "sex": {"Female": 48_780, "Male": 63_340},
        "views": {"frontal_ap": 44_810, "frontal_pa": 67_310},
        "splits": {"train and valid": 86_524, "test": 25_596},
    }  # fmt: skip

    def find_tables(self, root: Path) -> dict[str, Path]:
        """Return Data_Entry_2017[_v2020].csv, the lists of the splits, and the boxes, as far as they are there."""
        found = {
            "entries": find_table(root, "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"),
            **{split: find_table(root, name) for split, name in OFFICIAL.items()},
            "boxes": find_table(root, "BBox_List_2017.csv"),
        }
        return {what: path for what, path in found.items() if path} if found["entries"] else {}

    def list_splits(self, tables: Mapping[str, Path]) -> dict[str, Path]:
        """Return the table for train, valid and test."""
        return dict.fromkeys(("train", "valid", "test"), tables["entries"])

    def read(self, root: Path, tables: Mapping[str, Path], labeler: str | None = None) -> SourceRows:
        """Read the table of entries and the lists of the splits."""
        table = read_source(tables["entries"], COLUMNS, self.name)
        places = [IMAGE.fullmatch(name) for name in table["Image Index"]]
        table.refuse_first("Image Index", np.array([match is None for match in places]), "not NNNNNNNN_NNN.png")
        names = pd.Series(table["Image Index"], dtype="str")
        table.refuse_first("Image Index", names.duplicated().to_numpy(), "this image is listed twice", "repeated")
        numbers, orders = zip(*(match[1].split("_") for match in places if match), strict=True)
        owners = [cell.zfill(8) for cell in table["Patient ID"]]
        foreign = np.array(owners) != np.array(numbers)
        table.refuse_first("Patient ID", foreign, "not the patient that the image is named after")
        patients = [f"patient{int(number):05d}" for number in numbers]
        studies = [f"study{int(order) + 1}" for order in orders]  # of a study nothing is said: each image is one
        stems = [name.removesuffix(".png") for name in table["Image Index"]]
        keys = ["/".join((NAMES.folder, *parts)) for parts in zip(patients, studies, stems, strict=True)]
        splits = self._read_splits(root, tables, table, patients)
        columns = {
            "path": [f"{key}.png" for key in keys], "key": keys, "split": splits, "patient": patients,
            "study": studies, "view": stems, "place": table["Image Index"],
            "projection": table.translate("View Position", VIEWS, "not PA or AP"),
            "sex": table.translate("Patient Gender", SEXES, "sex is not M or F"),
            "age": _read_ages(table),
        }  # fmt: skip
        return SourceRows(make_frame(columns), _read_labels(table))

    def _read_splits(
        self, root: Path, tables: Mapping[str, Path], table: SourceTable, patients: list[str]
    ) -> list[str]:
        """The official split of each image; patients of the first list are divided once more."""
        listed: dict[str, str] = {}
        for split, name in OFFICIAL.items():
            if split not in tables:
                hint = f"put {name} of {self.sources[1]} into the folder"
                raise UserError(f"no {name}", code="missing-table", where=str(root), hint=hint)
            for line, image in enumerate(tables[split].read_text(encoding="utf-8").split(), 1):
                if listed.setdefault(image, split) != split:
                    message, where = f"in both official lists: {image!r}", f"{tables[split]}, line {line}"
                    raise UserError(message, code="repeated", where=where, hint=RESTORE)
        unlisted = np.array([name not in listed for name in table["Image Index"]])
        table.refuse_first("Image Index", unlisted, "in neither train_val_list.txt nor test_list.txt")
        official = [listed[name] for name in table["Image Index"]]
        check_undivided(patients, official, f"{tables['train']} and {tables['test']}")
        own = divide_patients(patients, self.variant, {"valid": VALID_SHARE})
        return [split if split == "test" else part for split, part in zip(official, own, strict=True)]

    def locate(self, root: Path, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image of each row: below images_001/images to images_012/images, or below images."""
        divided = sorted(root.glob("images_[0-9][0-9][0-9]/images")) + sorted(root.glob("images_[0-9][0-9][0-9]"))
        return locate_by_name(root, [root / "images", *divided], list(frame["place"]))

    def read_boxes(self, root: Path, tables: Mapping[str, Path], frame: pd.DataFrame) -> list[Box]:
        """Return the boxes of BBox_List_2017.csv on these rows."""
        if "boxes" not in tables:
            return []
        table = read_source(tables["boxes"], BOX_COLUMNS, f"{self.name}'s boxes")
        return list(_list_boxes(table, dict(zip(frame["place"], frame["path"], strict=True))))


def _read_ages(table: SourceTable) -> list[float]:
    """Years; of infants 0; unknown beyond 120, of which NIH's table has 16 (up to 414)."""
    read = {cell: AGE.fullmatch(cell) for cell in {*table["Patient Age"]}}
    ages = {
        cell: np.nan if int(match[1]) > OLDEST else float(match[1]) if match[2] in ("", "Y") else 0.0
        for cell, match in read.items()
        if match
    }
    found = table.translate("Patient Age", ages, "age is not a number of years")
    if beyond := int(np.isnan(np.array(found, dtype=float)).sum()):
        log.log(NOTE, f"{table.path.name}: {beyond} ages above {OLDEST} years are taken as unknown")
    return found


def _read_labels(table: SourceTable) -> dict[str, np.ndarray]:
    """Each of the 15 labels, (N,) in {1, 0}: what is not listed is absent."""
    combinations = {cell: cell.split("|") for cell in {*table["Finding Labels"]}}
    for cell, names in combinations.items():
        unknown = [name for name in names if name not in LABELS.counterparts]
        if unknown or (NO_FINDING in names and len(names) > 1) or len({*names}) < len(names):
            message = f"unknown label {unknown[0]!r}" if unknown else "labels that exclude each other"
            table.refuse(table["Finding Labels"].index(cell), "Finding Labels", message)
    cells = pd.Series(table["Finding Labels"])
    return {
        label: cells.map({cell: float(label in names) for cell, names in combinations.items()}).to_numpy("float32")
        for label in LABELS.counterparts
    }


def _list_boxes(table: SourceTable, paths: Mapping[str, str]) -> Iterator[Box]:
    for row, image in enumerate(table["Image Index"]):
        label = BOX_LABELS.get(table["Finding Label"][row], table["Finding Label"][row])
        if label not in LABELS.counterparts:
            table.refuse(row, "Finding Label", "unknown label")
        try:
            left, top, width, height = (float(table[name][row]) for name in BOX_COLUMNS[2:])
        except ValueError:
            table.refuse(row, BOX_COLUMNS[2], "x, y, w, h are no four numbers, the first")
        if image in paths:
            where = f"{table.path}, line {table.lines[row]}"
            yield Box(paths[image], label, left, top, left + width, top + height, (SIDE, SIDE), where)
