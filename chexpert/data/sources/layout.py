"""One copy of CheXpert on disk: where its tables are, whose labels they hold, and where the image of a view is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.data.sources import chexpert_plus as plus
from chexpert.data.sources.frame import VIEW, read_frame, read_studies
from chexpert.data.sources.image_files import ENDINGS, choose, find_images
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS
from chexpert.tables.csv_text import Notes

TABLES = {
    "train": ("train.csv",),
    "valid": ("valid.csv", "val.csv", "val_labels.csv"),  # the last as CheXlocalize distributes it
    "test": ("test_labels.csv", "groundtruth.csv"),
}
LABELERS = {"chexbert": "train_cheXbert.csv", "visualchexbert": "train_visualCheXbert.csv"}
"""Label files beside train.csv: Smit et al. 2020 (arxiv.org/abs/2004.09167), Jain et al. 2021 (2102.11467)."""

FIRST_PATIENT = {4: 43018, 3: 21514, 2: 0}
"""The first patient of each batch of training images, as Stanford's AIMI distributes them since 2021."""

NESTED = "{split}/{patient}/{study}/{view}.jpg"
FLAT = "{patient}_{study}_{view}.jpg"  # CheXlocalize's spelling of a view


@dataclass(frozen=True)
class Layout:
    """One copy of CheXpert on disk.

    Attributes:
        name: what it is, for people.
        variant: ``small``, ``full`` or ``plus``.
        folder: all its images lie below it.
        tables: by split, those that are there.
        places: by split, the template of an image's place below ``folder``; of its parts ``{batch}`` is AIMI's folder.
        labelers: other label files for train, by name.
        batches: AIMI's folders by number.
    """

    name: str
    variant: str
    folder: Path
    tables: Mapping[str, Path]
    places: Mapping[str, str]
    labelers: Mapping[str, Path] = field(default_factory=dict)
    batches: Mapping[int, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Return whose patients these are, whatever the copy."""
        return "CheXpert"

    @property
    def absent(self) -> tuple[str, ...]:
        """Return the observations without a label in this data set; CheXpert labels all."""
        return ()

    @property
    def from_reports(self) -> bool:
        """Return whether labels of evaluated splits are read from reports; CheXpert's are by radiologists."""
        return False

    @property
    def family(self) -> str:
        """Return whose images these are: two data sets of one family share images under different names."""
        return self.origin

    @property
    def expert(self) -> bool | None:
        """Return whether radiologists gave the labels of every split; None where the table of a split says it."""
        return None

    def find_unlabeled(self, frame: pd.DataFrame, observations: Sequence[str]) -> np.ndarray:
        """Return which labels are not known, (N, C) bool, so that no rule for blanks may make a target of them.

        A blank of CheXpert is none: its report does not mention the finding.
        """
        return np.zeros((len(frame), len(observations)), dtype=bool)

    @property
    def by_labeler(self) -> bool:
        """Return whether some labels are by CheXpert's labeler, and so follow its hierarchy and its No Finding."""
        return True

    @property
    def restore(self) -> str:
        """Return the advice for a table that is damaged."""
        return "restore the table as Stanford gives it"

    @property
    def image_folders(self) -> list[str]:
        """Return the names of the folders below the root that hold images, beside those of the splits."""
        return list(self.batches.values())

    def read(self, split: str, labeler: str | None = None) -> pd.DataFrame:
        """Read the frame of a split, as :func:`chexpert.data.sources.frame.read_frame` gives it.

        Args:
            split: train, valid or test.
            labeler: whose labels train gets; by default those of train.csv (of CheXpert Plus: of the impression).

        Raises:
            UserError: no such table or labeler, or something in it that is not CheXpert.
        """
        table, labels = self.require(split), self.find_labels(split, labeler)
        if self.variant == "plus":
            return plus.read_plus(table, labels, split)
        if split == "test":
            return self._read_test()
        frame = read_frame(table, split)
        return frame if labels == table else _relabel(frame, table, labels)

    def require(self, split: str) -> Path:
        """Return the table of a split.

        Raises:
            UserError: there is none.
        """
        if split not in self.tables:
            message, hint = f"no {split} table in this {self.name}", f"expected {' or '.join(TABLES[split])} there"
            raise UserError(message, code="missing-table", where=str(self.folder), hint=hint)
        return self.tables[split]

    def find_labels(self, split: str, labeler: str | None = None) -> Path:
        """Return the file whose labels a split gets: a labeler's for train, of CheXpert Plus for every split.

        Raises:
            UserError: no such table or labeler.
        """
        if self.variant == "plus":
            labeler = labeler or plus.SECTIONS[0]
        elif labeler is None or split != "train":
            return self.require(split)
        if labeler not in self.labelers:
            raise self.miss(labeler)
        return self.labelers[labeler]

    def miss(self, labeler: str) -> UserError:
        """Return the error of a labeler that is not there."""
        known = dict.fromkeys(plus.SECTIONS, "") if self.variant == "plus" else LABELERS
        message = f"no labels of {labeler!r} in this {self.name}; there is {', '.join(self.labelers) or 'none'}"
        if labeler not in known:
            return UserError(message, code="choice", where="data.labeler", hint=f"one of {', '.join(known)}")
        hint = f"put {known[labeler] or plus.name_labels(labeler)} beside {self.tables['train'].name}"
        return UserError(message, code="missing-table", where="data.labeler", hint=hint)

    def list_tables(self, split: str, labeler: str | None = None) -> list[Path]:
        """Return the files that :meth:`read` reads for a split."""
        tables = [self.require(split), self.find_labels(split, labeler)]
        studies = tables[0].with_name(TABLES["test"][1])
        if split == "test" and studies.is_file():
            tables.append(studies)
        return list(dict.fromkeys(tables))

    def locate(self, frame: pd.DataFrame) -> list[Path]:
        """Return the image file of each row, whether it is there or not."""
        parts = zip(*(frame[name] for name in ("split", "patient", "study", "view")), strict=True)
        return [self.folder / self.place(*part) for part in parts]

    def find(self, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the image file of each row, whatever its ending, and whether it is there."""
        endings = list(frame["ending"]) if "ending" in frame else None
        return find_images(self.folder, list(map(str, self.locate(frame))), endings)

    def place(self, split: str, patient: str, study: str, view: str) -> str:
        """Return the path of a view below the dataset folder."""
        return self.places[split].format(
            split=split,
            patient=patient,
            study=study,
            view=view,
            batch=self._batch(split, patient) if self.batches else "",
        )

    def _batch(self, split: str, patient: str) -> str:
        number = next(n for n, first in FIRST_PATIENT.items() if int(patient[7:]) >= first) if split == "train" else 1
        if number not in self.batches:
            message = f"batch {number} of CheXpert is not there, in which {patient} lies"
            raise UserError(
                message, code="missing-image", where=str(self.folder), hint="unpack all four batches beside each other"
            )
        return self.batches[number]

    def _read_test(self) -> pd.DataFrame:
        """The test views: of test_labels.csv, or the views on disk of the studies in groundtruth.csv."""
        table = self.tables["test"]
        studies = table.with_name("groundtruth.csv")
        if table.name != "groundtruth.csv":
            frame = read_frame(table, "test")
            if studies.is_file():
                _compare(frame, read_studies(studies), table, studies)
            return frame
        truth = read_studies(studies)
        views = [view for row in truth.itertuples() for view in self._list_views(str(row.patient), str(row.study))]
        return pd.DataFrame(views).merge(truth, on=["patient", "study"], how="left")

    def _list_views(self, patient: str, study: str) -> Iterator[dict[str, object]]:
        pattern = self.place("test", patient, study, "view*").rpartition(".")[0] + ".*"
        found = sorted(file for file in self.folder.glob(pattern) if file.suffix.lower() in ENDINGS)
        odd = [file for file in found if not VIEW.fullmatch(file.stem[file.stem.rindex("view") :])]
        if odd:
            raise UserError(
                "no name of a view: viewN_kind.jpg",
                code="file-name",
                where=str(odd[0]),
                hint="remove or rename the file",
            )
        if not found:
            message = f"no view of {patient}/{study}, which groundtruth.csv lists"
            raise UserError(
                message, code="missing-image", where=str(self.folder / pattern), hint="restore the test images"
            )
        for _, same in groupby(found, key=lambda file: file.with_suffix("")):
            file = Path(choose(list(map(str, same))))
            view = "view" + file.stem.rpartition("view")[2]
            key = f"test/{patient}/{study}/{view}"
            kind = view.rpartition("_")[2]
            yield {
                "path": f"CheXpert-v1.0/{key}.jpg", "key": key, "split": "test", "patient": patient, "study": study,
                "view": view, "projection": kind, "sex": "", "age": np.nan,
            }  # fmt: skip


def _relabel(frame: pd.DataFrame, table: Path, labels: Path) -> pd.DataFrame:
    """The same views with the labels of another labeler."""
    other = read_frame(labels, "train").set_index("key")
    absent = sorted(set(frame["key"]) - set(other.index))
    if absent:
        message = f"no labels for {len(absent)} of {len(frame)} views, the first: {absent[0]}"
        raise UserError(
            message, code="missing-labels", where=f"{labels} and {table}", hint="take both from the same distribution"
        )
    notes = Notes(labels)
    if further := len(other) - len(frame):
        notes.add(f"rows passed over, whose views {table.name} does not list", count=further)
    notes.print()
    names = list(OBSERVATIONS)
    return frame.assign(**dict(zip(names, other.loc[frame["key"], names].to_numpy().T, strict=True)))


def _compare(frame: pd.DataFrame, truth: pd.DataFrame, table: Path, studies: Path) -> None:
    """Refuses an image-level and a study-level table of the test set that contradict each other."""
    names, place = list(OBSERVATIONS), ["patient", "study"]
    both = frame[[*place, *names]].merge(truth, on=place, how="outer", suffixes=("", "_study"), indicator=True)
    left, right = both[names].to_numpy(), both[[f"{name}_study" for name in names]].to_numpy()
    wrong = (both["_merge"] != "both") | ~((left == right) | (np.isnan(left) & np.isnan(right))).all(1)
    if wrong.any():
        first = both[wrong].iloc[0]
        message = f"the labels of {int(wrong.sum())} views differ, the first of {first['patient']}/{first['study']}"
        raise UserError(
            message, code="label-conflict", where=f"{table} and {studies}", hint="restore both, or remove the wrong one"
        )
