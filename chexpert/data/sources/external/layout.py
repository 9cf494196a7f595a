"""A copy of an external data set on disk, read as a copy of CheXpert is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.data.sources.external.external_set import ExternalSet, SourceRows
from chexpert.data.sources.layout import Layout
from chexpert.errors import Code, UserError

Stamps = tuple[tuple[str, str, int, int], ...]
"""What each table holds, its path, time and size."""


@dataclass(frozen=True)
class ExternalLayout(Layout):
    """A copy of an external data set.

    Attributes:
        data_set: which one.
        sources: all its tables, by what they hold.
    """

    data_set: ExternalSet = field(kw_only=True)
    sources: Mapping[str, Path] = field(kw_only=True)

    @property
    def origin(self) -> str:
        """Return whose patients these are."""
        return self.name

    @property
    def absent(self) -> tuple[str, ...]:
        """Return the observations that the data set does not label."""
        return self.data_set.table.absent

    @property
    def from_reports(self) -> bool:
        """Return whether a blank label of an evaluated split means that a report does not mention the finding."""
        return self.data_set.from_reports

    @property
    def family(self) -> str:
        """Return whose images these are: two data sets of one family share images under different names."""
        return self.data_set.family or self.origin

    @property
    def expert(self) -> bool:
        """Return whether radiologists who looked at the images gave the labels."""
        return self.data_set.expert

    def find_unlabeled(self, frame: pd.DataFrame, observations: Sequence[str]) -> np.ndarray:
        """Return which labels are not known, (N, C) bool: absent observations, blanks, and studies without a report.

        A blank of labels that were read from a report, in which the finding is not mentioned, is known to be that.
        """
        absent = np.array([name in self.absent for name in observations], dtype=bool)
        blank = frame[list(observations)].isna().to_numpy()
        unknown = blank & ~frame["reported"].to_numpy()[:, None] if self.from_reports else blank
        return unknown | absent

    @property
    def by_labeler(self) -> bool:
        """Return whether the labels are by CheXpert's labeler."""
        return self.data_set.from_reports

    @property
    def restore(self) -> str:
        """Return the advice for a table that is damaged."""
        return f"restore the table as {self.data_set.sources[-1]} gives it"

    @property
    def image_folders(self) -> list[str]:
        """Return the names of the folders below the root in which images are looked for."""
        found = (place.name for name in self.data_set.folders for place in self.folder.glob(name) if place.is_dir())
        return sorted(set(found))

    def read(self, split: str, labeler: str | None = None) -> pd.DataFrame:
        """Read the frame of a split, with the column ``place``; see :meth:`Layout.read`."""
        self.require(split)
        rows = self.read_rows(labeler)
        chosen = (rows.frame["split"] == split).to_numpy()
        observations = self.data_set.table.translate(rows.labels, len(chosen))
        columns = {name: labels[chosen] for name, labels in observations.items()}
        return rows.frame[chosen].reset_index(drop=True).assign(**columns)

    def read_rows(self, labeler: str | None = None) -> SourceRows:
        """Read the rows of all splits with the data set's own labels; tables that did not change are read once."""
        self._check_labeler(labeler)
        stamps = tuple(
            (what, str(path), path.stat().st_mtime_ns, path.stat().st_size) for what, path in self.sources.items()
        )
        return _read_rows(self.data_set, self.folder, stamps, labeler)

    def require(self, split: str) -> Path:
        """Return the table of a split.

        Raises:
            UserError: there is none.
        """
        if split not in self.tables:
            message, hint = f"no {split} split in this copy of {self.name}", self.data_set.split_note
            raise UserError(message, code="missing-table", where=str(self.folder), hint=hint)
        return self.tables[split]

    def find_labels(self, split: str, labeler: str | None = None) -> Path:
        """Return the file whose labels a split gets.

        Raises:
            UserError: no such split or labeler.
        """
        self._check_labeler(labeler)
        table = self.require(split)
        return self.labelers[labeler] if labeler else self.sources.get("labels", table)

    def _check_labeler(self, labeler: str | None) -> None:
        if labeler is not None and labeler not in self.labelers:
            raise self.miss(labeler)

    def miss(self, labeler: str) -> UserError:
        """Return the error of a labeler that is not there."""
        known = self.data_set.labelers
        hint = f"put {known[labeler]} into the folder" if labeler in known else "data.labeler=null"
        message = f"no labels of {labeler!r} in this {self.name}; there is {', '.join(self.labelers) or 'none'}"
        code: Code = "missing-table" if labeler in known else "choice"
        return UserError(message, code=code, where="data.labeler", hint=hint)

    def list_tables(self, split: str, labeler: str | None = None) -> list[Path]:
        """Return the files that :meth:`read` reads for a split."""
        self.require(split)
        return list(dict.fromkeys(self.sources.values()))

    def locate(self, frame: pd.DataFrame) -> list[Path]:
        """Return the image file of each row, whether it is there or not."""
        return [Path(file) for file in self.data_set.locate(self.folder, frame)[0]]

    def find(self, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image file of each row, and whether it is there."""
        return self.data_set.locate(self.folder, frame)

    def locate_names(self, names: Sequence[str]) -> dict[str, str]:
        """Return the image file of those of these views (their paths in a frame) that are there."""
        frame = self.read_rows().frame
        wanted = frame[frame["path"].isin([*names])]
        files, present = self.find(wanted)
        return {path: file for path, file, there in zip(wanted["path"], files, present, strict=True) if there}

    def place(self, split: str, patient: str, study: str, view: str) -> str:
        """Return nothing: the places of an external data set do not follow from such parts."""
        raise NotImplementedError(f"{self.name} is located by its table: {split}, {patient}, {study}, {view}")


@lru_cache(maxsize=1)
def _read_rows(data_set: ExternalSet, folder: Path, stamps: Stamps, labeler: str | None) -> SourceRows:
    return data_set.read(folder, {what: Path(path) for what, path, *_ in stamps}, labeler)
