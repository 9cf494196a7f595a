"""The report labels of the training studies of a run, read again from its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chexpert.data.labels.corrections import locate_corrections
from chexpert.data.labels.corrections_file import read_corrections
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external import ExternalLayout
from chexpert.data.sources.frame import find_key, select_views
from chexpert.data.sources.layout import Layout
from chexpert.data.sources.splits import check_studies
from chexpert.data.summary import fingerprint
from chexpert.errors import UserError
from chexpert.runs.synthetic import is_phantom

MOVED = "give the folder of the data: --root FOLDER"


@dataclass(frozen=True)
class Reports:
    """The report labels of the training studies of a run.

    Attributes:
        layout: the copy of CheXpert.
        labels: the file that they are of.
        frame: N views, as the run reads them.
        studies: the first view of each study, by ``patient00001/study1``.
        reported: patients of the splits that are reported.
    """

    layout: Layout
    labels: str
    frame: pd.DataFrame
    studies: pd.DataFrame
    reported: dict[str, set[str]]

    @property
    def names(self) -> list[str]:
        """The studies, as ``patient00001/study1``."""
        return list(self.studies.index)

    def get_labels(self, names: Sequence[str], observation: str) -> np.ndarray:
        """Return the report labels (S,) of these studies, in {1, 0, -1, NaN}."""
        return self.studies.loc[list(names), observation].to_numpy("float64")

    def number_patients(self, names: Sequence[str]) -> np.ndarray:
        """Return of each of these studies the number of its patient, (S,) int from 0 on."""
        numbers: np.ndarray = np.unique(self.studies.loc[list(names), "patient"].to_numpy(str), return_inverse=True)[1]
        return numbers

    def describe(self, names: Sequence[str]) -> dict[str, Any]:
        """Return counts, label file, and the fingerprint of the first views, of these studies."""
        rows = self.studies.loc[list(names)]
        return {
            "labels": self.labels,
            "synthetic": is_phantom(self.layout.folder),
            "studies": len(rows),
            "patients": int(rows["patient"].nunique()),
            "fingerprint": fingerprint(rows),
        }

    def check_views(self, paths: Sequence[str], split: Mapping[str, Any]) -> None:
        """Check that views that a run held out are there, with the labels that they had.

        Args:
            paths: of the views in the run's predictions.
            split: what data.json of the run says of them.

        Raises:
            UserError: some are not there, or have other labels.
        """
        keys = {find_key(path) for path in paths}
        rows = self.frame[self.frame["key"].isin(keys)]
        message = None
        if len(rows) != len(keys):
            message = f"{len(rows)} of {len(keys)} predicted views are there"
        elif split.get("images") == len(rows) and split.get("fingerprint") != fingerprint(rows):
            message = "the labels of the predicted views have changed since"
        if message:
            where = str(self.layout.folder)
            raise UserError(f"these are other data: {message}", code="other-data", where=where, hint=MOVED)


def read_reports(data: Mapping[str, Any], folder: str, root: Path | None = None) -> Reports:
    """Read the report labels of the training studies, and the patients that are reported; no image is read.

    Args:
        data: of the config of a run.
        folder: in which its training images lay.
        root: of the data, where they have moved.

    Raises:
        UserError: the data or their corrections are not there, are of another data set than CheXpert, or the views of a
            study have different labels.
    """
    own = data.get("root")
    place = root or Path(own if isinstance(own, str) else folder)  # otherwise it is a phantom yet to be painted
    if not place.expanduser().is_dir():
        raise UserError("the data of the run are not there", code="missing-folder", where=str(place), hint=MOVED)
    layout = find_layout(place, data.get("variant") or "auto", where="")
    if isinstance(layout, ExternalLayout):
        message, hint = f"targets are learned from CheXpert's report labels, and this is {layout.name}", "labels=lsr"
        raise UserError(message, code="input-kind", where=str(place), hint=hint)
    labeler = data.get("labeler")
    tables = {"train": layout.read("train", labeler)}
    tables |= {split: layout.read(split) for split in ("valid", "test") if split in layout.tables}
    if isinstance(data.get("test"), str):
        tables["test"] = find_layout(data["test"], where="data.test").read("test")
    reported = {split: set(table["patient"]) for split, table in tables.items() if split != "train"}
    frame = select_views(_correct(tables, data), data.get("views") or "frontal")
    check_studies({"train": frame})
    studies = frame.assign(name=frame["patient"] + "/" + frame["study"]).drop_duplicates("name").set_index("name")
    return Reports(layout, layout.find_labels("train", labeler).name, frame, studies, reported)


def _correct(tables: Mapping[str, pd.DataFrame], data: Mapping[str, Any]) -> pd.DataFrame:
    """The training table, with the labels by which the run evaluated the views that it held out.

    Corrections of training labels alone left those as they were.
    """
    if not (data.get("corrections") and data.get("correct_evaluated")):
        return tables["train"]
    file = read_corrections(Path(data["corrections"]).expanduser())
    return locate_corrections(file, tables, evaluated=True).correct({"train": tables["train"]})["train"]
