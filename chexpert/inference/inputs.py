"""Which images are to be predicted: those of a table, a folder, or named one by one."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external import ExternalLayout
from chexpert.data.sources.file_types import IMAGE_ENDINGS, UNKNOWN, recognize_file
from chexpert.data.sources.image_files import find_images
from chexpert.errors import UserError
from chexpert.metrics import find_study
from chexpert.runs.anonymize import find_public
from chexpert.runs.identifiers import is_public
from chexpert.tables.csv_text import read_records

NAMED = 5  # files that are named where there is no image


@dataclass(frozen=True)
class InputImage:
    """One image to predict.

    Attributes:
        name: in the input, or as CheXpert has it; not yet safe to be written down.
        file: where it lies; None where it was not found, or is no plain file (a pipe would block).
        why: it has no file, where there is another reason.
    """

    name: str
    file: str | None
    why: str = "this image is missing, or no plain file"

    @property
    def study(self) -> str:
        """The study, as a public name spells it; any other image is its own: nothing shows which belong together."""
        return find_study(self.name) if find_public(self.name) else self.name


def list_images(inputs: Sequence[Path], roots: Sequence[Path]) -> tuple[list[InputImage], dict[str, str]]:
    """List the images of one table (.csv), one folder, or several files, in the order of the input, folders sorted.

    And what was left aside, since it is no image: its name, and what it is.

    Args:
        inputs: as given.
        roots: folders in which the paths of a table are looked for, the first that has them.

    Raises:
        UserError: an input is not there, a table is none, or nothing is left.
    """
    first = inputs[0]
    if len(inputs) > 1 and (wrong := [path for path in inputs if path.is_dir() or is_table(path)]):
        message = "one table, one folder, or image files"
        raise UserError(message, code="input-kind", where=str(wrong[0]), hint="give one input at a time")
    if gone := next((path for path in inputs if not path.exists()), None):
        raise UserError(
            "no such file or folder", code="missing-file", where=str(gone), hint="give a table, a folder or image files"
        )
    aside: dict[str, str] = {}
    if is_table(first):
        images = list(read_images(first, roots))
    else:
        images = list(open_images(list_folder(first) if first.is_dir() else inputs, first, aside))
    names = [find_public(image.name) or image.name for image in images]
    if twice := next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None:
        raise UserError(f"given twice: {twice}", code="repeated", where=str(first), hint="keep one of each")
    if not images:
        message = "no image" + "".join(f"; {name} is {kind}" for name, kind in list(aside.items())[:NAMED])
        raise UserError(
            message,
            code="input-kind",
            where=str(first),
            hint="give images: JPEG, PNG, TIFF, BMP, WebP, JPEG 2000 or DICOM",
        )
    return images, aside


def is_table(path: Path) -> bool:
    """Return whether an input is a table, by its name."""
    return path.suffix.lower() == ".csv"


def open_images(paths: Iterable[Path], top: Path, aside: dict[str, str]) -> Iterator[InputImage]:
    """Yield the image in each file, recognized by its content; other files are put ``aside``, with their kind.

    Args:
        paths: of files, and of links to folders.
        top: hidden is what has a name with a dot below it.
        aside: is filled while the images are taken.
    """
    for path in paths:
        name = name_image(path)
        if not path.is_file():
            linked = path.is_symlink() and path.is_dir()
            yield (
                InputImage(name, None, "a link to a folder, which is not followed")
                if linked
                else InputImage(name, None)
            )
            continue
        try:
            kind, image = recognize_file(path)
        except OSError as error:  # it may be an image, and is then listed with those that cannot be read
            yield InputImage(name, None, f"this image cannot be read: {error}")
            continue
        hidden = top.is_dir() and any(part.startswith(".") for part in path.relative_to(top).parts)
        if not image:
            aside[name] = kind
        elif hidden and kind == UNKNOWN and path.suffix.lower() not in IMAGE_ENDINGS:
            aside[name] = "hidden, and of no known format"
        else:
            yield (
                InputImage(name, None, "hidden: give the file itself, or rename it")
                if hidden
                else InputImage(name, str(path))
            )


def name_image(path: PurePath) -> str:
    r"""Return CheXpert's own name of the image in a file, or the path; with slashes on every system.

    >>> from pathlib import PureWindowsPath
    >>> name_image(PureWindowsPath(r"C:\data\valid\patient64541\study1\view1_frontal.jpg"))
    'valid/patient64541/study1/view1_frontal.jpg'
    """
    return find_public(path.as_posix()) or path.as_posix()


def list_folder(folder: Path) -> list[Path]:
    """Return all files below a folder, and links to folders in it, which nothing follows.

    Raises:
        OSError: a folder in it cannot be listed.
    """

    def stop(error: OSError) -> None:  # os.walk would leave its images out and not say so
        raise error

    found: list[Path] = []
    for above, folders, names in os.walk(folder, onerror=stop):
        found += [Path(above) / name for name in names]
        found += [path for name in folders if (path := Path(above) / name).is_symlink()]
    return sorted(found)


def read_images(table: Path, roots: Sequence[Path]) -> Iterator[InputImage]:
    """Read the images of a table by its column Path, as CheXpert's competition gives it; other columns are ignored."""
    records = read_records(table)
    column = next((name for name in records.header if name.lower() == "path"), None)
    if not records.rows or column is None:
        raise UserError(
            "no column Path, or no row",
            code="missing-column",
            where=str(table),
            hint="name the images by Path, a row each",
        )
    records.notes.print()
    names = [name if _is_below(name) else find_own(name) or name for name in records.column(column)]
    for line, name in zip(records.lines, names, strict=True):
        if not _is_below(name):
            hint = "paths in a table are relative to --root"
            raise UserError(
                f"not a path below a root: {name!r}", code="outside-root", where=f"{table}, line {line}", hint=hint
            )
    files = locate_images(names, roots)
    return (InputImage(name, files[name]) for name in names)


def _is_below(name: str) -> bool:
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "\\" not in name


def find_own(path: str) -> str | None:
    """Return CheXpert's own name of a view, in whatever folder and with whatever ending it is stored."""
    stem, dot, ending = path.replace("\\", "/").rpartition(".")
    name = f"{stem}.{ending.lower().replace('jpeg', 'jpg')}" if dot else path
    return find_public(name)


def locate_images(names: Sequence[str], roots: Sequence[Path]) -> dict[str, str | None]:
    """Return the file of each name: below a root as given, without the dataset folder, or where the layout has it."""
    placed: dict[str, str | None] = dict.fromkeys(names)
    for root in roots:
        for guess in (_as_given, _without_copy, _by_layout):
            left = [name for name, file in placed.items() if file is None]
            candidates = guess(root, left) if left else {}
            files, present = find_images(root, list(candidates.values()))
            found = zip(candidates, files, present, strict=True)
            placed |= {name: file for name, file, there in found if there}
    return placed


def _as_given(root: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: str(root / name) for name in names}


def _without_copy(root: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: str(root / name.partition("/")[2]) for name in names if name.startswith("CheXpert")}


def _by_layout(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Where this form of CheXpert (AIMI's batches, flat, ...) has a view."""
    try:
        layout = find_layout(root)
    except UserError:  # no copy of CheXpert: then these images are not there
        return {}
    if isinstance(layout, ExternalLayout):
        return layout.locate_names(names)
    found = {}
    for name in names:
        parts = name.split("/")
        if is_public(name) and len(parts) >= 4 and parts[-4] in layout.places:
            found[name] = str(layout.folder / layout.place(parts[-4], parts[-3], parts[-2], Path(parts[-1]).stem))
    return found
