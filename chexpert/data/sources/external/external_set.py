"""What every external data set gives: its tables, its rows in the columns of a frame, its boxes, its images."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from chexpert.data.random_streams import unit_sample
from chexpert.data.sources.external.counterparts import LabelTable
from chexpert.data.sources.frame import TEXT
from chexpert.data.sources.image_files import choose, find_present
from chexpert.errors import UserError

ENDINGS = ("png", "jpg", "jpeg", "dicom", "dcm")
"""Of the images of external data sets and of their scaled copies, in small letters."""
VALID_SHARE = 0.1
"""Share of the patients that make the split ``valid`` where the data set gives none."""
TEST_SHARE = 0.2
"""Share of the patients that make the split ``test`` where the data set gives none."""


@dataclass(frozen=True)
class SourceRows:
    """The N views of a data set, of every split.

    Attributes:
        frame: the columns of :func:`chexpert.data.sources.frame.read_frame` but the 14 observations; ``place``: the
            image's place below the folder, or its name alone where the folder of images is divided; and where labels
            are read from reports ``reported``: whether there are labels of the view's study.
        labels: the data set's own labels by name, (N,) float32 in {1, 0, -1, NaN}.
        others: of how many views the data set has each label that no table of counterparts lists.
    """

    frame: pd.DataFrame
    labels: Mapping[str, np.ndarray]
    others: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Box:
    """A rectangle around a finding.

    Attributes:
        path: of the view, as the frame has it.
        label: the data set's own.
        left, top, right, bottom: in pixels of the outlined image, the last two beyond the box.
        size: (height, width) of the outlined image.
        where: file and line, for messages.
    """

    path: str
    label: str
    left: float
    top: float
    right: float
    bottom: float
    size: tuple[int, int]
    where: str


class ExternalSet(ABC):
    """A data set of another hospital.

    Attributes:
        variant: the word for ``data.variant``.
        name: for people.
        expected: the table by which it is recognized.
        sources: where headers, folders and counts are published.
        table: the counterpart of each label.
        split_note: which splits are official, and which are not.
        from_reports: whether labels were read from reports with CheXpert's four states: a blank is then evaluated as
            negative, as that of CheXpert's development split.
        expert: whether radiologists who looked at the images gave the labels.
        family: whose images these are, where another data set has some of them under other names.
        folders: below the root in which images are looked for, as patterns.
        tolerance: by how much a count may differ from the published one that is no error.
        published: counts to hold a copy against, see :mod:`chexpert.data.audit.external`.
        labelers: names of other label tables that the data set has.
    """

    variant: ClassVar[str]
    name: ClassVar[str]
    expected: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]
    table: ClassVar[LabelTable]
    split_note: ClassVar[str]
    from_reports: ClassVar[bool] = False
    expert: ClassVar[bool] = False
    family: ClassVar[str | None] = None
    folders: ClassVar[tuple[str, ...]]
    tolerance: ClassVar[int] = 0
    published: ClassVar[Mapping[str, Any]] = {}
    labelers: ClassVar[Mapping[str, str]] = {}

    @property
    def root_variable(self) -> str:
        """Return the environment variable that conf/data takes ``data.root`` from."""
        return f"{self.variant.upper()}_ROOT"

    @abstractmethod
    def find_tables(self, root: Path) -> dict[str, Path]:
        """Return the tables that lie in a root, by what they hold; none where it is not this data set."""

    @abstractmethod
    def list_splits(self, tables: Mapping[str, Path]) -> dict[str, Path]:
        """Return the table that lists each split which these tables have."""

    @abstractmethod
    def read(self, root: Path, tables: Mapping[str, Path], labeler: str | None = None) -> SourceRows:
        """Read all views.

        Raises:
            UserError: with file and line of what is not this data set.
        """

    @abstractmethod
    def locate(self, root: Path, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image file of each row, and whether it is there."""

    def read_boxes(self, root: Path, tables: Mapping[str, Path], frame: pd.DataFrame) -> list[Box]:
        """Return the boxes of these rows; none where the data set has none.

        Raises:
            UserError: with file and line of what is no box of this data set.
        """
        return []


def make_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return the frame of views with these columns; text where a frame has text."""
    texts = [*TEXT, "place"]
    return pd.DataFrame(dict(columns)).astype(dict.fromkeys(texts, "str") | {"age": "float64"})


def divide_patients(patients: Sequence[str], variant: str, shares: Mapping[str, float]) -> list[str]:
    """Return the split of each row by a hash of the patient alone; ``train`` gets what the shares leave.

    Args:
        patients: N names.
        variant: of the data set: the same number is another patient elsewhere.
        shares: of the patients, by split.
    """

    def choose_split(patient: str) -> str:
        place, bound = unit_sample("external split", variant, patient), 0.0
        for split, share in shares.items():
            bound += share
            if place < bound:
                return split
        return "train"

    known = {patient: choose_split(patient) for patient in dict.fromkeys(patients)}
    return [known[patient] for patient in patients]


def check_undivided(patients: Sequence[str], splits: Sequence[str], where: str) -> None:
    """Check that no patient is in two splits.

    Raises:
        UserError: one is, with both splits.
    """
    of_patient: dict[str, str] = {}
    for patient, split in zip(patients, splits, strict=True):
        if (first := of_patient.setdefault(patient, split)) != split:
            message, hint = f"patient {patient} is in both {first} and {split}", "restore the lists of the splits"
            raise UserError(message, code="shared-patients", where=where, hint=hint)


def locate_by_name(root: Path, folders: Iterable[Path], names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the file of each name, which lies in one of these folders with this ending or another one.

    Args:
        root: of the data set: no link leads out of it.
        folders: that may hold the images, in the order in which a missing file is expected.
        names: N file names.

    Returns:
        N files, those that are missing where the first folder would have them; and whether each is there, (N,) bool.

    Raises:
        UserError: several folders have an image, or a link leads out of the root.
    """
    folders = list(folders)
    found: dict[str, list[str]] = {}
    for folder in (folder for folder in folders if folder.is_dir()):
        for entry in sorted(path.name for path in folder.iterdir()):
            stem, _, ending = entry.rpartition(".")
            if ending.lower() in ENDINGS:
                found.setdefault(stem, []).append(f"{folder}{os.sep}{entry}")
    files, there = [], []
    for name in names:
        own = found.get(name.rpartition(".")[0])
        files.append(choose(own) if own else f"{folders[0]}{os.sep}{name}")
        there.append(own is not None)
    present = np.array(there, dtype=bool)
    present[present] = find_present(root, [file for file, own in zip(files, there, strict=True) if own])
    return files, present
