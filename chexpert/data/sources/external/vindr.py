"""VinDr-CXR: 18,000 posterior-anterior views; three radiologists label and outline each of train, a consensus test.

Sources: Nguyen et al. 2022 (arxiv.org/abs/2012.15029), physionet.org/content/vindr-cxr; headers and places as public
code reads them. No table names a patient. The column for other diseases is called otherwise in train and test.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.console import NOTE, log
from chexpert.data.decoding import read_file_size
from chexpert.data.sources.external.counterparts import Counterpart, LabelTable
from chexpert.data.sources.external.external_set import (
    VALID_SHARE,
    Box,
    ExternalSet,
    SourceRows,
    divide_patients,
    locate_by_name,
    make_frame,
)
from chexpert.data.sources.external.source_table import SourceTable, find_table, read_source
from chexpert.errors import UserError
from chexpert.runs.identifiers import SETS as IDENTIFIERS

NOTHING = "no observation of CheXpert"
LABELS = LabelTable(
    {
        "Aortic enlargement": Counterpart(None, "one of several causes of Enlarged Cardiomediastinum"),
        "Atelectasis": Counterpart("Atelectasis"),
        "Calcification": Counterpart(None, NOTHING),
        "Cardiomegaly": Counterpart("Cardiomegaly"),
        "Clavicle fracture": Counterpart("Fracture", "of clavicle or ribs; others are not labeled"),
        "Consolidation": Counterpart("Consolidation"),
        "Edema": Counterpart("Edema"),
        "Emphysema": Counterpart(None, NOTHING),
        "Enlarged PA": Counterpart(None, NOTHING),
        "ILD": Counterpart(None, NOTHING),
        "Infiltration": Counterpart(None, "of no fixed meaning: any of several kinds of Lung Opacity"),
        "Lung Opacity": Counterpart("Lung Opacity"),
        "Lung cavity": Counterpart(None, NOTHING),
        "Lung cyst": Counterpart(None, NOTHING),
        "Mediastinal shift": Counterpart(None, NOTHING),
        "Nodule/Mass": Counterpart("Lung Lesion", "CheXpert's labeler has mass and nodule under Lung Lesion"),
        "Pleural effusion": Counterpart("Pleural Effusion"),
        "Pleural thickening": Counterpart("Pleural Other", "the first phrase of CheXpert's labeler for it"),
        "Pneumothorax": Counterpart("Pneumothorax"),
        "Pulmonary fibrosis": Counterpart(None, "of the lung, while CheXpert's labeler counts that of the pleura"),
        "Rib fracture": Counterpart("Fracture", "of clavicle or ribs; others are not labeled"),
        "Other lesion": Counterpart(None, NOTHING),
        "COPD": Counterpart(None, NOTHING),
        "Lung tumor": Counterpart("Lung Lesion", "CheXpert's labeler has tumor under Lung Lesion"),
        "Pneumonia": Counterpart("Pneumonia"),
        "Tuberculosis": Counterpart(None, NOTHING),
        "Other diseases": Counterpart(None, NOTHING),
        "No finding": Counterpart("No Finding", "none of VinDr's 27, where CheXpert has none of its own"),
    }
)
SPELLINGS = {"Other diseases": ("Other diseases", "Other disease")}
COLUMNS = tuple(SPELLINGS.get(label, label) for label in LABELS.counterparts)
NAMES = IDENTIFIERS["vindr"]
IMAGE = re.compile(NAMES.image)
READERS = 3  # of each training image
POSITIVE = 2  # of them: the majority; one alone is uncertain
SCALED = (".png", ".jpg", ".jpeg")
BOX = ("x_min", "y_min", "x_max", "y_max")
BITS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0}


class VinDrCxr(ExternalSet):
    """VinDr-CXR, as PhysioNet distributes it: annotations/*.csv, train/*.dicom and test/*.dicom (or PNG files)."""

    variant = "vindr"
    name = "VinDr-CXR"
    expected = "annotations/image_labels_train.csv or image_labels_test.csv"
    sources = ("https://arxiv.org/abs/2012.15029", "https://physionet.org/content/vindr-cxr/1.0.0/")
    table = LABELS
    split_note = "official: train and test; a tenth of the images of train is valid, by a hash (no patient is named)"
    expert = True
    folders = ("train", "test")
    published = {"images": 18_000, "splits": {"train and valid": 15_000, "test": 3_000}}

    def find_tables(self, root: Path) -> dict[str, Path]:
        """Return the labels and boxes of both splits, as far as they are there."""
        found = {}
        for folder in (root, root / "annotations"):
            for split in ("train", "test"):
                for what, name in (("", "image_labels"), (" boxes", "annotations")):
                    if path := find_table(folder, f"{name}_{split}.csv"):
                        found[f"{split}{what}"] = path
        return found if {"train", "test"} & found.keys() else {}

    def list_splits(self, tables: Mapping[str, Path]) -> dict[str, Path]:
        """Return the table of each split; valid is a part of train."""
        own = {split: tables[part] for split, part in (("train", "train"), ("valid", "train")) if part in tables}
        return own | ({"test": tables["test"]} if "test" in tables else {})

    def read(self, root: Path, tables: Mapping[str, Path], labeler: str | None = None) -> SourceRows:
        """Read both tables of image labels."""
        parts = {split: _read_labels(tables[split], split, self.name) for split in ("train", "test") if split in tables}
        names = [name for own, _ in parts.values() for name in own]
        official = [split for split, (own, _) in parts.items() for _ in own]
        own = divide_patients(names, self.variant, {"valid": VALID_SHARE})
        keys = [f"{NAMES.folder}/{split}/{name}" for split, name in zip(official, names, strict=True)]
        columns = {
            "path": [f"{key}.dicom" for key in keys], "key": keys,
            "split": [split if split == "test" else part for split, part in zip(official, own, strict=True)],
            "patient": names, "study": names, "view": names, "projection": "frontal_pa", "sex": "", "age": np.nan,
            "place": [f"{split}/{name}.dicom" for split, name in zip(official, names, strict=True)],
        }  # fmt: skip
        labels = {label: np.concatenate([part[label] for _, part in parts.values()]) for label in LABELS.counterparts}
        return SourceRows(make_frame(columns), labels)

    def locate(self, root: Path, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image of each row: train/<image_id>.dicom or test/<image_id>.dicom, or a PNG of that name."""
        folders = frame["place"].str.partition("/")[0]
        files, present = np.empty(len(frame), dtype=object), np.zeros(len(frame), dtype=bool)
        for folder in folders.unique():
            rows = np.flatnonzero((folders == folder).to_numpy())
            names = [place.partition("/")[2] for place in frame["place"].iloc[rows]]
            files[rows], present[rows] = locate_by_name(root, [root / folder], names)
        return [str(file) for file in files], present

    def read_boxes(self, root: Path, tables: Mapping[str, Path], frame: pd.DataFrame) -> list[Box]:
        """Return the boxes on these rows, of train those of all three readers, in pixels of the DICOM files."""
        files, present = self.locate(root, frame)
        readable = [file if there else "" for file, there in zip(files, present, strict=True)]
        if any(file.endswith(SCALED) for file in readable):
            log.log(NOTE, f"{self.name}: boxes are in pixels of the DICOM files, so there are none for other images")
            return []
        known = {view: row for row, view in enumerate(frame["view"])}
        found: list[Box] = []
        for path in filter(None, (tables.get(f"{split} boxes") for split in ("train", "test"))):
            table = read_source(path, ("image_id", "class_name", *BOX), f"{self.name}'s boxes")
            found += _list_boxes(table, known, list(frame["path"]), readable)
        return found


def _read_labels(path: Path, split: str, name: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """The images of a table in its order, and their labels: of train by the majority of three readers.

    Of three readers two or three make a label positive and one alone an uncertain one: ``labels=zeros`` is then the
    majority, and ``labels=ones`` any reader.
    """
    table = read_source(path, ("image_id", *COLUMNS), name)
    wrong = np.array([not IMAGE.fullmatch(cell) for cell in table["image_id"]])
    table.refuse_first("image_id", wrong, "not 32 hexadecimal digits")
    rows, names = pd.factorize(pd.Series(table["image_id"], dtype="object"))
    readers = np.bincount(rows)
    expected = READERS if split == "train" else 1
    if (readers != expected).any():
        image = names[int(np.argmax(readers != expected))]
        message = f"{readers.max() if split == 'test' else readers[names.get_loc(image)]} rows instead of {expected}"
        table.refuse(table["image_id"].index(image), "image_id", message, "repeated")
    labels = {}
    for label in LABELS.counterparts:
        values = np.array(table.translate(label, BITS, "a label is not 0 or 1"), dtype=float)
        votes = np.bincount(rows, weights=values)
        states = np.select([votes >= POSITIVE, votes == 1], [1, -1], 0) if split == "train" else votes
        labels[label] = states.astype("float32")
    return list(names), labels


def _list_boxes(
    table: SourceTable, known: Mapping[str, int], paths: list[str], files: list[str]
) -> Iterator[Box]:  # fmt: skip
    sizes: dict[int, tuple[int, int]] = {}
    for number, image in enumerate(table["image_id"]):
        label = "Other diseases" if table["class_name"][number] == "Other disease" else table["class_name"][number]
        if label not in LABELS.counterparts:
            table.refuse(number, "class_name", "unknown label")
        row = known.get(image)
        if row is None or not table["x_min"][number]:  # another split, or no finding
            continue
        where = f"{table.path}, line {table.lines[number]}"
        try:
            left, top, right, bottom = (float(table[name][number]) for name in BOX)
        except ValueError:
            table.refuse(number, "x_min", "x_min, y_min, x_max, y_max are no four numbers, the first")
        if row not in sizes:
            sizes[row] = _read_size(files[row], image, where)
        yield Box(paths[row], label, left, top, right, bottom, sizes[row], where)


def _read_size(file: str, image: str, where: str) -> tuple[int, int]:
    """Height and width of an image that boxes lie in."""
    try:
        return read_file_size(file)
    except Exception as error:  # the reader of images says what is wrong with it
        hint = "restore the image: its boxes are in its pixels"
        message = f"boxes of an image that cannot be read: {image}"
        raise UserError(message, code="missing-image", where=where, hint=hint) from error
