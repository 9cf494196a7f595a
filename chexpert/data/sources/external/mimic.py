"""MIMIC-CXR-JPG: 377,110 views with CheXpert's labels by two labelers, and an official split.

Sources: Johnson et al. 2019 (arxiv.org/abs/1901.07042), physionet.org/content/mimic-cxr-jpg; headers and places as
public code reads them (github.com/mlmed/torchxrayvision, MIMIC_Dataset). The metadata hold neither sex nor age: these
are in MIMIC-IV.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.console import NOTE, log
from chexpert.data.sources.external.counterparts import Counterpart, LabelTable
from chexpert.data.sources.external.external_set import ExternalSet, SourceRows, check_undivided, make_frame
from chexpert.data.sources.external.source_table import RESTORE, SourceTable, find_table, read_source
from chexpert.data.sources.image_files import find_images
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS
from chexpert.runs.identifiers import SETS as IDENTIFIERS

LABELS = LabelTable({name: Counterpart(name) for name in OBSERVATIONS})
NAMES = IDENTIFIERS["mimic"]
DICOM = re.compile(NAMES.image)
NUMBER = re.compile(r"[0-9]{8}")
STATES = {text: value for value in (1.0, 0.0, -1.0) for text in (f"{value}", f"{value:.0f}")} | {"": np.nan}
VIEWS = {
    "AP": "frontal_ap", "PA": "frontal_pa", "LATERAL": "lateral", "LL": "lateral", "AP AXIAL": "other",
    "AP LLD": "other", "AP RLD": "other", "LAO": "other", "LPO": "other", "PA LLD": "other", "PA RLD": "other",
    "RAO": "other", "RPO": "other", "RL": "other", "SWIMMERS": "other", "XTABLE LATERAL": "other", "": "unknown",
}  # fmt: skip
"""LL is a left lateral view here, where CheXpert has it of frontal ones; oblique and decubitus views are neither."""
UNLISTED, SHARE = 8, 0.05
"""Studies that a table of labels may lack: eight have no report; a larger share shows a cut table."""
SPLITS = {"train": "train", "validate": "valid", "test": "test"}


class MimicCxrJpg(ExternalSet):
    """MIMIC-CXR-JPG, as PhysioNet distributes it: the tables in the root, the images below files/p10 to files/p19."""

    variant = "mimic"
    name = "MIMIC-CXR-JPG"
    expected = "mimic-cxr-2.0.0-metadata.csv[.gz]"
    sources = ("https://arxiv.org/abs/1901.07042", "https://physionet.org/content/mimic-cxr-jpg/2.1.0/")
    table = LABELS
    split_note = "official: train, validate (here valid) and test of mimic-cxr-2.0.0-split.csv"
    from_reports = True
    folders = ("files",)
    published = {"images": 377_110, "patients": 65_379}
    labelers = {"negbio": "mimic-cxr-2.0.0-negbio.csv"}

    def find_tables(self, root: Path) -> dict[str, Path]:
        """Return the four tables, as far as they are there."""
        parts = {"metadata": "metadata", "split": "split", "labels": "chexpert", "negbio": "negbio"}
        found = {what: find_table(root, f"mimic-cxr-2.0.0-{name}.csv") for what, name in parts.items()}
        return {what: path for what, path in found.items() if path} if found["metadata"] else {}

    def list_splits(self, tables: Mapping[str, Path]) -> dict[str, Path]:
        """Return the table of the official split for train, valid and test."""
        return dict.fromkeys(("train", "valid", "test"), tables.get("split", tables["metadata"]))

    def read(self, root: Path, tables: Mapping[str, Path], labeler: str | None = None) -> SourceRows:
        """Read the views of the metadata with their official split and the labels of their study."""
        for what in ("split", "labels"):
            if what not in tables:
                name = f"mimic-cxr-2.0.0-{'chexpert' if what == 'labels' else what}.csv"
                hint = f"put {name}[.gz] of {self.sources[1]} into the folder"
                raise UserError(f"no {name}", code="missing-table", where=str(root), hint=hint)
        table = read_source(tables["metadata"], ("dicom_id", "subject_id", "study_id", "ViewPosition"), self.name)
        for column, pattern in {"dicom_id": DICOM, "subject_id": NUMBER, "study_id": NUMBER}.items():
            wrong = np.array([not pattern.fullmatch(cell) for cell in table[column]])
            table.refuse_first(column, wrong, "no number of MIMIC-CXR")
        twice = pd.Series(table["dicom_id"], dtype="str").duplicated().to_numpy()
        table.refuse_first("dicom_id", twice, "this image is listed twice", "repeated")
        patients = [f"p{number}" for number in table["subject_id"]]
        studies = [f"s{number}" for number in table["study_id"]]
        parts = zip(patients, studies, table["dicom_id"], strict=True)
        stems = ["/".join((patient[:3], patient, study, dicom)) for patient, study, dicom in parts]
        splits = self._read_splits(tables["split"], table)
        check_undivided(patients, splits, str(tables["split"]))
        columns = {
            "path": [f"{NAMES.folder}/{stem}.jpg" for stem in stems],
            "key": [f"{NAMES.folder}/{stem}" for stem in stems],
            "split": splits, "patient": patients, "study": studies, "view": table["dicom_id"],
            "place": [f"files/{stem}.jpg" for stem in stems], "sex": "", "age": np.nan,
            "projection": table.translate("ViewPosition", VIEWS, "unknown view"),
        }  # fmt: skip
        labels, reported = self._read_labels(tables["negbio" if labeler == "negbio" else "labels"], studies)
        return SourceRows(make_frame(columns | {"reported": reported}), labels)

    def _read_splits(self, path: Path, table: SourceTable) -> list[str]:
        """The official split of each image."""
        splits = read_source(path, ("dicom_id", "split"), self.name)
        known = dict(zip(splits["dicom_id"], splits.translate("split", SPLITS, "unknown split"), strict=True))
        unlisted = np.array([dicom not in known for dicom in table["dicom_id"]])
        table.refuse_first("dicom_id", unlisted, f"{path.name} does not list this image")
        return [str(known[dicom]) for dicom in table["dicom_id"]]

    def _read_labels(self, path: Path, studies: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The labels of each view's study, blank where its report has none; and whether the study is listed."""
        table = read_source(path, ("study_id", *OBSERVATIONS), self.name)
        places = {f"s{number}": row for row, number in enumerate(table["study_id"])}
        if len(places) < len(table):
            twice = pd.Series(table["study_id"], dtype="str").duplicated().to_numpy()
            table.refuse_first("study_id", twice, "this study is listed twice", "repeated")
        rows = np.array([places.get(study, -1) for study in studies])
        found = {}
        for name in OBSERVATIONS:
            values = np.array(table.translate(name, STATES, "a label is not blank, -1, 0 or 1"), dtype="float32")
            found[name] = np.where(rows >= 0, values[rows], np.nan).astype("float32")
        _check_unlisted(path, {*studies} - places.keys(), len({*studies}))
        return found, rows >= 0

    def locate(self, root: Path, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image of each row: files/p10/p10000032/s50414267/<dicom_id>.jpg."""
        return find_images(root, [f"{root}/{place}" for place in frame["place"]])


def _check_unlisted(path: Path, unlisted: set[str], studies: int) -> None:
    """Check that only some of the studies have no labels, and count these.

    Raises:
        UserError: they are so many that the table was cut.
    """
    message = f"{len(unlisted):,} of {studies:,} studies have no labels"
    if len(unlisted) > max(UNLISTED, SHARE * studies):
        raise UserError(f"{message}: the table is cut", code="missing-labels", where=str(path), hint=RESTORE)
    if unlisted:
        log.log(NOTE, f"{path.name}: {message}, so they are masked, and never count as negative")
