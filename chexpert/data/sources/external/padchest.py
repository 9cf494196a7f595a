"""PadChest: 160,861 views of 67,625 patients with labels from Spanish reports, a quarter of them by physicians.

Sources: Bustos et al. 2020 (arxiv.org/abs/1901.07441), bimcv.cipf.es/bimcv-projects/padchest; headers as public code
reads them (github.com/mlmed/torchxrayvision, PC_Dataset). The 193 names of labels are not all listed here: a name that
is not is counted and named in a note, and has no counterpart. The paper has 160,868 views, accounts of the distributed
table 160,861.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.console import NOTE, log
from chexpert.data.sources.external.counterparts import Counterpart, LabelTable
from chexpert.data.sources.external.external_set import (
    TEST_SHARE,
    VALID_SHARE,
    ExternalSet,
    SourceRows,
    divide_patients,
    locate_by_name,
    make_frame,
)
from chexpert.data.sources.external.source_table import SourceTable, find_table, read_source
from chexpert.runs.identifiers import SETS as IDENTIFIERS

COUNTERPARTS = {
    "No Finding": ("normal",),
    "Enlarged Cardiomediastinum": ("mediastinal enlargement", "superior mediastinal enlargement"),
    "Cardiomegaly": ("cardiomegaly",),
    "Lung Lesion": ("nodule", "multiple nodules", "mass", "pulmonary mass", "lung metastasis"),
    "Edema": ("pulmonary edema",),
    "Consolidation": ("consolidation",),
    "Pneumonia": ("pneumonia", "atypical pneumonia"),
    "Atelectasis": (
        "atelectasis", "laminar atelectasis", "lobar atelectasis", "total atelectasis", "round atelectasis",
        "segmental atelectasis", "atelectasis basal",
    ),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax"),
    "Pleural Effusion": (
        "pleural effusion", "loculated pleural effusion", "loculated fissural effusion", "hemothorax", "empyema",
    ),
    "Pleural Other": (
        "pleural thickening", "apical pleural thickening", "calcified pleural thickening", "pleural plaques",
        "calcified pleural plaques",
    ),
    "Fracture": (
        "fracture", "rib fracture", "callus rib fracture", "clavicle fracture", "vertebral fracture",
        "humeral fracture",
    ),
    "Support Devices": (
        "pacemaker", "single chamber device", "dual chamber device", "electrical device", "catheter",
        "central venous catheter", "central venous catheter via jugular vein",
        "central venous catheter via subclavian vein", "central venous catheter via umbilical vein",
        "reservoir central venous catheter", "nsg tube", "endotracheal tube", "tracheostomy tube", "chest drain tube",
        "ventriculoperitoneal drain tube", "gastrostomy tube", "double j stent", "artificial heart valve",
        "artificial aortic heart valve", "artificial mitral heart valve",
    ),
}  # fmt: skip
WITHOUT = ("infiltrates", "interstitial pattern", "alveolar pattern", "ground glass pattern", "emphysema", "granuloma")
"""Frequent names that have no counterpart, though they may seem to."""
UNKNOWN = ("exclude", "suboptimal study")
"""Of such an image nothing else is known; nor of one of which a report says but ``unchanged``."""
UNCHANGED = "unchanged"
LABELS = LabelTable(
    {name: Counterpart(observation) for observation, names in COUNTERPARTS.items() for name in names}
    | {"hydropneumothorax": Counterpart("Pneumothorax", "with fluid, which is not read as an effusion of its own")}
    | dict.fromkeys(WITHOUT, Counterpart(None, "a kind of opacity, or of the lung's structure")),
    {"Lung Opacity": "its kinds are labeled under many names, the whole is not"},
)
NAMES = IDENTIFIERS["padchest"]
COLUMNS = (
    "ImageID", "ImageDir", "StudyID", "PatientID", "PatientSex_DICOM", "PatientBirth", "StudyDate_DICOM", "Projection",
    "Labels",
)  # fmt: skip
VIEWS = {
    "PA": "frontal_pa", "AP": "frontal_ap", "AP_horizontal": "frontal_ap", "L": "lateral", "COSTAL": "other",
    "EXCLUDE": "other", "UNK": "unknown", "": "unknown",
}  # fmt: skip
SEXES = {"M": "Male", "F": "Female", "O": "Unknown", "nan": "", "": ""}
OLDEST = 120
SHOWN = 3
"""Names of labels without a counterpart that a note lists."""


class PadChest(ExternalSet):
    """PadChest, as BIMCV distributes it: images in the folders 0 to 54, or in one of scaled copies."""

    variant = "padchest"
    name = "PadChest"
    expected = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv[.gz]"
    sources = ("https://arxiv.org/abs/1901.07441", "https://bimcv.cipf.es/bimcv-projects/padchest/")
    table = LABELS
    split_note = "none is official: a tenth of the patients is valid and two tenths are test, by a hash"
    folders = ("[0-9]", "[0-9][0-9]", "images*")
    published = {"images": 160_861, "patients": 67_625}
    tolerance = 7

    def find_tables(self, root: Path) -> dict[str, Path]:
        """Return the one table."""
        path = find_table(root, "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv")
        return {"labels": path} if path else {}

    def list_splits(self, tables: Mapping[str, Path]) -> dict[str, Path]:
        """Return the table for train, valid and test."""
        return dict.fromkeys(("train", "valid", "test"), tables["labels"])

    def read(self, root: Path, tables: Mapping[str, Path], labeler: str | None = None) -> SourceRows:
        """Read the table."""
        table = read_source(tables["labels"], COLUMNS, self.name)
        for column, before, pattern, after in (
            ("ImageID", "", NAMES.image, r"\.png"), ("StudyID", "study", NAMES.study, ""),
            ("PatientID", "patient", NAMES.patient, ""),
        ):  # fmt: skip
            wrong = np.array([not re.fullmatch(pattern + after, before + cell) for cell in table[column]])
            table.refuse_first(column, wrong, "no number of PadChest")
        twice = pd.Series(table["ImageID"], dtype="str").duplicated().to_numpy()
        table.refuse_first("ImageID", twice, "this image is listed twice", "repeated")
        patients = [f"patient{number}" for number in table["PatientID"]]
        studies = [f"study{number}" for number in table["StudyID"]]
        stems = [name.removesuffix(".png") for name in table["ImageID"]]
        keys = ["/".join((NAMES.folder, *parts)) for parts in zip(patients, studies, stems, strict=True)]
        columns = {
            "path": [f"{key}.png" for key in keys], "key": keys, "patient": patients, "study": studies, "view": stems,
            "split": divide_patients(patients, self.variant, {"valid": VALID_SHARE, "test": TEST_SHARE}),
            "place": [f"{folder}/{name}" for folder, name in zip(table["ImageDir"], table["ImageID"], strict=True)],
            "projection": table.translate("Projection", VIEWS, "unknown projection"),
            "sex": table.translate("PatientSex_DICOM", SEXES, "sex is not M, F or O"),
            "age": list(_list_ages(table)),
        }  # fmt: skip
        parsed = _parse_labels(table)
        others = count_others(parsed)
        if others:
            shown = ", ".join(f"{name} ({count:,})" for name, count in list(others.items())[:SHOWN])
            rows = sum(any(name in others for name in names) for names in parsed)
            message = f"{len(others)} names of labels have no counterpart, on {rows:,} of {len(table):,} images"
            more = ", ...; chexpert external writes all to other_labels.csv" if len(others) > SHOWN else ""
            log.log(NOTE, f"{table.path.name}: {message}: {shown}{more}")
        return SourceRows(make_frame(columns), _read_labels(parsed), others)

    def locate(self, root: Path, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image of each row: <ImageDir>/<ImageID>, or <ImageID> in images*, of whatever ending."""
        divided = sorted({root / place.partition("/")[0] for place in frame["place"]})
        names = [place.rpartition("/")[2] for place in frame["place"]]
        return locate_by_name(root, [*divided, *sorted(root.glob("images*"))], names)


def _list_ages(table: SourceTable) -> Iterator[float]:
    """Years between birth and study; unknown where a year is not given, or makes no age."""
    for birth, date in zip(table["PatientBirth"], table["StudyDate_DICOM"], strict=True):
        years = [re.match(r"[0-9]{4}", text) for text in (birth, date)]
        age = int(years[1][0]) - int(years[0][0]) if years[0] and years[1] else -1
        yield float(age) if 0 <= age <= OLDEST else np.nan


def _parse_labels(table: SourceTable) -> list[tuple[str, ...]]:
    """The names of each row's labels."""
    parsed = {cell: _parse(cell) for cell in {*table["Labels"]}}
    for cell, names in parsed.items():
        if names is None:
            table.refuse(table["Labels"].index(cell), "Labels", "not a list of names")
    return [parsed[cell] or () for cell in table["Labels"]]


def count_others(cells: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """Return on how many images each name stands that the table of counterparts does not list, the most frequent first.

    >>> count_others([("pneumonia", "scoliosis"), ("kyphosis", "scoliosis", "scoliosis"), ("unchanged",)])
    {'scoliosis': 2, 'kyphosis': 1}
    """
    known = {*LABELS.counterparts, *UNKNOWN, UNCHANGED}
    return dict(Counter(name for names in cells for name in sorted({*names} - known)).most_common())


def _read_labels(cells: Sequence[tuple[str, ...]]) -> dict[str, np.ndarray]:
    """Each label of the table of counterparts, (N,) in {1, 0, NaN}: NaN throughout where nothing is known."""
    known = np.array([bool({*names} - {UNCHANGED}) and not {*UNKNOWN} & {*names} for names in cells])
    return {
        label: np.where(known, [label in names for names in cells], np.nan).astype("float32")
        for label in LABELS.counterparts
    }


def _parse(cell: str) -> tuple[str, ...] | None:
    """The names in a list as Python writes it; none of a blank cell; None where it is no such list."""
    if cell in ("", "nan"):
        return ()
    try:
        names = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(name.strip().lower() for name in names if name.strip())
