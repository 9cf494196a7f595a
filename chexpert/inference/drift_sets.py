"""The two sets of images that a drift is looked for between: which images, of which patients, and their metadata."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chexpert.checkpoints import Loaded
from chexpert.data.metadata import Circumstances, list_circumstances
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.frame import read_frame, select_views
from chexpert.data.sources.layout import Layout
from chexpert.errors import UserError
from chexpert.inference.inputs import InputImage, is_table, list_images
from chexpert.inference.opened_run import open_data
from chexpert.inference.predict import find_roots
from chexpert.metrics import find_patient
from chexpert.runs.anonymize import find_public


@dataclass(frozen=True)
class ImageSet:
    """Images of one side.

    Attributes:
        images: N of them.
        patients: of each image the name of its patient; an image of an unknown one is a patient of its own.
        metadata: as :func:`chexpert.data.metadata.list_circumstances` gives it; None without a table that has them.
        folder: the dataset folder that they are of, resolved; empty where they are of none.
        notes: what is not as the user may think.
    """

    images: list[InputImage]
    patients: list[str]
    metadata: Circumstances | None = None
    folder: str = ""
    notes: list[str] = field(default_factory=list)

    def select(self, rows: Sequence[int]) -> "ImageSet":
        """Return the set of these images."""
        images, patients = [self.images[row] for row in rows], [self.patients[row] for row in rows]
        metadata = self.metadata and {name: column[list(rows)] for name, column in self.metadata.items()}
        return ImageSet(images, patients, metadata, self.folder, self.notes)

    def sample_patients(self, images: int, seed: int) -> "ImageSet":
        """Return whole patients in a random order until there are so many images; all of them if there are fewer."""
        names, numbers = np.unique(self.patients, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(names))
        counts = np.bincount(numbers, minlength=len(names))[order]
        chosen = order[: int(np.searchsorted(counts.cumsum(), images)) + 1]
        return self.select(np.flatnonzero(np.isin(numbers, chosen)).tolist())


def read_reference(loaded: Loaded, split: str | None) -> tuple[str, ImageSet]:
    """Read a split of the run's own data, by default the development split, or ``valid`` where the run has none.

    Training images are no good default: a model fits them, and predicts them otherwise than any others.

    Raises:
        UserError: the data of the run are gone, or have no such split.
    """
    if "data" not in loaded.config:
        message, hint = "exported weights do not hold the data of their run", "give the run folder instead"
        raise UserError(message, code="missing-run", where="RUN", hint=hint)
    data = open_data(loaded, hint="restore them, or give a run whose data are there", learned=split != "valid")
    chosen = split or ("dev" if "dev" in data.frames else "valid")
    if chosen not in data.frames:
        hint = "one of " + ", ".join(f"--reference {name}" for name in data.frames if name != "test")
        raise UserError(
            f"the data of the run have no {chosen} split", code="missing-split", where="--reference", hint=hint
        )
    frame = data.frames[chosen]
    files = _resolve(data.layout, frame["file"])
    images = [InputImage(path, file) for path, file in zip(frame["path"], files, strict=True)]
    folder = os.path.realpath(data.layout.folder)
    return chosen, ImageSet(images, list(frame["patient"]), list_circumstances(frame), folder)


def read_given(loaded: Loaded, folder: Path, root: Path | None = None) -> ImageSet:
    """Read the images of a dataset folder of CheXpert, of a table, or of any folder.

    Of a dataset folder all splits are read, in the views that the run was trained on; of any other folder every image
    below it, as ``chexpert predict`` does.

    Raises:
        UserError: there is no image.
    """
    layout, notes = None, []
    if folder.is_dir():
        try:
            layout = find_layout(folder)
        except UserError as error:
            if error.code != "missing-dataset":
                raise
    if layout:
        return _read_dataset(layout, loaded.config.get("data", {}).get("views", "frontal"))
    images, aside = list_images([folder], find_roots(loaded, folder, root))
    if aside:
        notes.append(f"{len(aside)} files are no images")
    metadata = None
    if is_table(folder):
        try:
            metadata = list_circumstances(read_frame(folder))
        except UserError as error:
            notes.append(f"sex, age and view are not compared: {error.message}")
    names = [image.name for image in images]
    patients = [_name_patient(name) for name in names]
    if own := sum(patient == name for patient, name in zip(patients, names, strict=True)):
        notes.append(f"{own} images have no name of CheXpert's: each counts as a patient of its own")
    return ImageSet(images, patients, metadata, notes=notes)


def _read_dataset(layout: Layout, views: str) -> ImageSet:
    images: list[InputImage] = []
    patients: list[str] = []
    parts = []
    for split in layout.tables:
        frame = select_views(layout.read(split), views)
        if frame.empty:
            continue
        found, present = layout.find(frame)
        resolved = zip(_resolve(layout, found), present, strict=True)
        files = [file if there else None for file, there in resolved]
        images += [InputImage(path, file) for path, file in zip(frame["path"], files, strict=True)]
        patients += list(frame["patient"])
        parts.append(list_circumstances(frame))
    if not images:
        message, hint = f"no {views} view", "give images of the views that the run was trained on"
        raise UserError(message, code="missing-view", where=str(layout.folder), hint=hint)
    known = [part for part in parts if part is not None]
    joined = {name: np.concatenate([part[name] for part in known]) for name in known[0]} if known else None
    metadata = joined if len(known) == len(parts) else None
    return ImageSet(images, patients, metadata, os.path.realpath(layout.folder))


def _resolve(layout: Layout, files: Iterable[str]) -> list[str]:
    """Return image files by the folder that the dataset folder really is; no link below it leads out."""
    real = os.path.realpath(layout.folder)
    return [f"{real}{os.sep}{os.path.relpath(file, layout.folder)}" for file in files]


def _name_patient(name: str) -> str:
    return find_patient(name) if find_public(name) else name
