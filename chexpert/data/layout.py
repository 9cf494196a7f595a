"""In which form CheXpert lies under a root: where its tables are, and where the image of a view is."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.data import plus
from chexpert.data.frame import SPLITS, read_frame, read_studies
from chexpert.observations import OBSERVATIONS
from chexpert.problem import ProblemError

VARIANTS = ("auto", "small", "full", "plus")
NAMED: dict[str, str | None] = {
    "CheXpert-v1.0-small": "small",
    "chexpert/v1.0-small": "small",  # as ooodmt/MLMIP renames them
    "CheXpert-v1.0": "full",
    "chexpert/v1.0": "full",
    "CheXpert": None,  # of the valid and test sets, as they come with CheXlocalize
}
"""Folders under the root, and the variant that each holds; None where only its tables tell."""

TABLES = {
    "train": ("train.csv",),
    "valid": ("valid.csv", "val_labels.csv"),  # the second as CheXlocalize distributes it
    "test": ("test_labels.csv", "groundtruth.csv"),
}
LABELLERS = {"chexbert": "train_cheXbert.csv", "visualchexbert": "train_visualCheXbert.csv"}
"""Label files beside train.csv: Smit et al. 2020 (arxiv.org/abs/2004.09167), Jain et al. 2021 (2102.11467)."""

BATCHES = re.compile(r"CheXpert-v1\.0 batch ([1-4]) \(.*\)")
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
        labellers: other label files for train, by name.
        batches: AIMI's folders by number.
    """

    name: str
    variant: str
    folder: Path
    tables: Mapping[str, Path]
    places: Mapping[str, str]
    labellers: Mapping[str, Path] = field(default_factory=dict)
    batches: Mapping[int, str] = field(default_factory=dict)

    def read(self, split: str, labeller: str | None = None) -> pd.DataFrame:
        """The frame of a split, as :func:`chexpert.data.frame.read_frame` gives it.

        Args:
            split: train, valid or test.
            labeller: whose labels train gets; by default those of train.csv (of CheXpert Plus: of the impression).

        Raises:
            ProblemError: no such table or labeller, or something in it that is not CheXpert.
        """
        if split not in self.tables:
            what, mend = f"no {split} table in this {self.name}", f"expected {' or '.join(TABLES[split])} there"
            raise ProblemError(what, where=str(self.folder), mend=mend)
        if self.variant == "plus":
            return plus.read_plus(self.tables[split], self.labellers, labeller, split)
        if split == "test":
            return self._read_test()
        frame = read_frame(self.tables[split], split)
        return frame if labeller is None or split != "train" else self._relabel(frame, labeller)

    def list_tables(self, split: str, labeller: str | None = None) -> list[Path]:
        """The files that :meth:`read` reads for a split."""
        tables = [self.tables[split]] if split in self.tables else []
        named = self.labellers.get(labeller or (plus.SECTIONS[0] if self.variant == "plus" else ""))
        tables += [named] if named and (split == "train" or self.variant == "plus") else []
        studies = [table.with_name(TABLES["test"][1]) for table in tables if split == "test"]
        return tables + [path for path in studies if path.is_file() and path not in tables]

    def locate(self, frame: pd.DataFrame) -> list[Path]:
        """The image file of each row, whether it is there or not."""
        parts = zip(*(frame[name] for name in ("split", "patient", "study", "view")), strict=True)
        return [self.folder / self._place(*part) for part in parts]

    def _place(self, split: str, patient: str, study: str, view: str) -> str:
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
            what = f"batch {number} of CheXpert is not there, in which {patient} lies"
            raise ProblemError(what, where=str(self.folder), mend="unpack all four batches beside each other")
        return self.batches[number]

    def _relabel(self, frame: pd.DataFrame, labeller: str) -> pd.DataFrame:
        """The same views with the labels of another labeller."""
        if labeller not in self.labellers:
            there = f"there is {', '.join(self.labellers) or 'none'}"
            expected = LABELLERS.get(labeller, "its table")
            what = f"no labels of {labeller!r} in this {self.name}; {there}"
            raise ProblemError(what, where="data.labeller", mend=f"put {expected} beside train.csv")
        path = self.labellers[labeller]
        other = read_frame(path, "train").set_index("key")
        difference = set(frame["key"]) ^ set(other.index)
        if difference:
            what = f"{len(difference)} views are only in one of the two tables, the first: {min(difference)}"
            where = f"{path} and {self.tables['train']}"
            raise ProblemError(what, where=where, mend="take both from the same distribution")
        return frame.assign(**{name: other.loc[frame["key"], name].to_numpy() for name in OBSERVATIONS})

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
        pattern = self._place("test", patient, study, "view*")
        found = sorted(self.folder.glob(pattern))
        if not found:
            what = f"no view of {patient}/{study}, which groundtruth.csv lists"
            raise ProblemError(what, where=str(self.folder / pattern), mend="restore the test images")
        for file in found:
            view = "view" + file.stem.rpartition("view")[2]
            key = f"test/{patient}/{study}/{view}"
            kind = view.rpartition("_")[2]
            yield {
                "path": f"CheXpert-v1.0/{key}.jpg", "key": key, "split": "test", "patient": patient, "study": study,
                "view": view, "projection": kind, "sex": "", "age": np.nan,
            }  # fmt: skip


def find_layout(root: str | Path, variant: str = "auto") -> Layout:
    """Finds out in which form CheXpert lies under a root.

    Args:
        root: the folder above CheXpert's own, or that one itself.
        variant: ``small``, ``full`` or ``plus`` where both lie there, or ``auto``.

    Raises:
        ProblemError: none of the forms that are known, none of the wanted variant, or more than one.
    """
    root = Path(root).expanduser().absolute()  # not resolved: a link's own name may tell the variant
    if not root.is_dir():
        mend = "give the folder that holds CheXpert: data.root=... or the environment variable CHEXPERT_ROOT"
        raise ProblemError("the data root is not a folder", where=f"data.root={root}", mend=mend)
    found = [layout for explore in EXPLORERS for layout in explore(root)]
    wanted = [layout for layout in found if variant in ("auto", layout.variant)]
    wanted = [layout for layout in wanted if "train" in layout.tables] or wanted  # the others only hold what is judged
    if len(wanted) == 1:
        return wanted[0]
    names = "; ".join(f"{layout.name} ({layout.variant}) in {layout.folder}" for layout in wanted or found)
    if wanted:
        mend = "choose one: data=small, data=full, or a root that holds only one of them"
        raise ProblemError(f"several copies of CheXpert: {names}", where=f"data.root={root}", mend=mend)
    kind = "" if variant == "auto" else f"{variant} "
    looked = f"; found: {names}" if found else f"; looked for {', '.join(NAMED)}, AIMI's batches and train.csv itself"
    mend = "point data.root at the folder above CheXpert's own, or choose another variant (data=small, data=full)"
    raise ProblemError(f"no {kind}CheXpert there{looked}", where=f"data.root={root}", mend=mend)


def _explore_named(root: Path) -> Iterator[Layout]:
    """CheXpert-v1.0[-small] and its other spellings under the root."""
    for name, variant in NAMED.items():
        yield from _open_folder(root / name, name, variant)


def _explore_root(root: Path) -> Iterator[Layout]:
    """The root itself: a folder with one of the known names, or a bare or flat copy with any name."""
    for spelled in (root, root.resolve()):
        for name, variant in NAMED.items():
            if spelled.as_posix().endswith(f"/{name}"):
                yield from _open_folder(root, name, variant)
                return
    yield from _open_folder(root, "copy without CheXpert's folder name", None)


def _explore_batches(root: Path) -> Iterator[Layout]:
    """AIMI's four folders: patients by id range, no train/ level, the tables in the first folder or beside them."""
    batches = _find_batches(root)
    folders = [root / batches[1], root] if 1 in batches else [root]
    tables = {split: path for folder in reversed(folders) for split, path in _find_tables(folder).items()}
    if not batches or not tables:
        return
    labellers = {name: path for folder in folders for name, path in _find_labellers(folder).items()}
    places = dict.fromkeys(SPLITS, "{batch}/" + NESTED)
    if not any((root / name / "train").is_dir() for name in batches.values()):
        places["train"] = "{batch}/{patient}/{study}/{view}.jpg"
    yield Layout("CheXpert-v1.0 in AIMI's batches", "full", root, tables, places, labellers, batches)


def _explore_plus(root: Path) -> Iterator[Layout]:
    """CheXpert Plus: one table for both splits, labels as JSON, PNG images."""
    if table := plus.find_table(root):
        folder = next((root / name for name in ("PNG/PNG", "PNG") if (root / name).is_dir()), root / "PNG")
        places = dict.fromkeys(SPLITS, NESTED.replace(".jpg", ".png"))
        splits = dict.fromkeys(("train", "valid"), table)
        yield Layout("CheXpert Plus", "plus", folder, splits, places, plus.find_labellers(root))


EXPLORERS: tuple[Callable[[Path], Iterator[Layout]], ...] = (
    _explore_named,
    _explore_batches,
    _explore_plus,
    _explore_root,
)


def _open_folder(folder: Path, name: str, variant: str | None) -> Iterator[Layout]:
    """A folder with tables and nested or flat images; a variant that no name tells is told by the tables' paths."""
    tables = _find_tables(folder)
    if not tables or _find_batches(folder):
        return
    flat = _find_flat(folder)
    places = dict.fromkeys(SPLITS, flat or NESTED)
    if not flat and not (folder / "valid").is_dir() and (folder / "val").is_dir():
        places["valid"] = NESTED.replace("{split}", "val")
    variant = variant or ("small" if _is_small(tables) else "full")
    kind = f"flat {name}" if flat else name
    yield Layout(kind, variant, folder, tables, places, _find_labellers(folder))


def _find_batches(folder: Path) -> dict[int, str]:
    if not folder.is_dir():
        return {}
    found = [match for entry in folder.iterdir() if (match := BATCHES.fullmatch(entry.name)) and entry.is_dir()]
    return {int(match[1]): match[0] for match in found}


def _find_tables(folder: Path) -> dict[str, Path]:
    found = {
        split: next((folder / name for name in names if (folder / name).is_file()), None)
        for split, names in TABLES.items()
    }
    return {split: path for split, path in found.items() if path}


def _find_labellers(folder: Path) -> dict[str, Path]:
    return {name: folder / file for name, file in LABELLERS.items() if (folder / file).is_file()}


def _find_flat(folder: Path) -> str | None:
    """The template of a flat copy, all images of which lie in one folder."""
    for prefix in ("images", "."):
        if (folder / prefix).is_dir() and next((folder / prefix).glob("patient*_study*_view*.jpg"), None):
            return FLAT if prefix == "." else f"{prefix}/{FLAT}"
    return None


def _is_small(tables: Mapping[str, Path]) -> bool:
    """Whether the first path of the first table says so."""
    with next(iter(tables.values())).open(encoding="utf-8", errors="replace") as file:
        return any("v1.0-small/" in line for line in [file.readline(), file.readline()])


def _compare(frame: pd.DataFrame, truth: pd.DataFrame, table: Path, studies: Path) -> None:
    """Refuses an image-level and a study-level table of the test set that contradict each other."""
    names, place = list(OBSERVATIONS), ["patient", "study"]
    both = frame[[*place, *names]].merge(truth, on=place, how="outer", suffixes=("", "_study"), indicator=True)
    left, right = both[names].to_numpy(), both[[f"{name}_study" for name in names]].to_numpy()
    wrong = (both["_merge"] != "both") | ~((left == right) | (np.isnan(left) & np.isnan(right))).all(1)
    if wrong.any():
        first = both[wrong].iloc[0]
        what = f"the labels of {int(wrong.sum())} views differ, the first of {first['patient']}/{first['study']}"
        raise ProblemError(what, where=f"{table} and {studies}", mend="restore both, or remove the wrong one")
