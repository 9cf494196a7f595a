"""Which image files are there, and that none of them leads elsewhere."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from chexpert.console import NOTE, log
from chexpert.errors import UserError

ENDINGS = (".jpg", ".jpeg", ".png")
"""Of the images of CheXpert's copies, in small letters."""


def find_present(folder: Path, files: Iterable[str | Path]) -> np.ndarray:
    """Return which of these files below ``folder`` are there: (N,) bool.

    ``folder`` itself may be a link. Strings instead of pathlib: a third of the time on 223,414 files.

    Raises:
        UserError: a link leads out of ``folder``, or something is not a plain file (a pipe would block).
    """
    home = os.path.realpath(folder)
    inside = {str(folder): True, home: True}

    def stays(path: str) -> bool:
        """Whether a path and all above it lie in the folder; each folder is looked at once."""
        if path not in inside:
            leads = os.path.realpath(path) if os.path.islink(path) else home
            inside[path] = os.path.commonpath([home, leads]) == home and stays(os.path.dirname(path))
        return inside[path]

    def check(path: str) -> bool:
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                mode = os.stat(path).st_mode if stays(path) else 0
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not mode or not stays(os.path.dirname(path)):
            hint = "put the files themselves there: a link may lead to anything"
            raise UserError("a link leads out of the data root", code="outside-root", where=path, hint=hint)
        if not stat.S_ISREG(mode):
            raise UserError("this image is not a plain file", code="not-a-file", where=path, hint="restore the file")
        return True

    return np.array([check(str(file)) for file in files], dtype=bool)


def find_images(
    folder: Path, files: Sequence[str], endings: Sequence[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """Return the image files of a table, and which of them are there: (N,) bool.

    Copies are scaled and saved in other formats: where a file is not there, the one of the same stem is taken.

    Args:
        folder: as :func:`find_present` takes it.
        files: N files below it.
        endings: of these files, where a table lists others.

    Raises:
        UserError: as there; or a file is not there, and several have its stem.
    """
    found = [os.path.splitext(file)[0] + ending for file, ending in zip(files, endings or (), strict=False)] or [*files]
    present, list_stems, others = find_present(folder, found), cache(_list_stems), []
    for row in np.flatnonzero(~present).tolist():
        above, name = os.path.split(found[row])
        if same := list_stems(above).get(os.path.splitext(name)[0]):
            found[row] = choose(same)
            others.append(row)
    if others:
        present[others] = find_present(folder, [found[row] for row in others])
        first = os.path.relpath(found[others[0]], folder)
        log.log(NOTE, f"{folder}: {len(others):,} images end otherwise than listed, the first {first}")
    return found, present


def choose(same: Sequence[str]) -> str:
    """Return the one file of a stem.

    Raises:
        UserError: there are several.
    """
    if len(same) > 1:
        names = " and ".join(os.path.basename(path) for path in same)
        hint = "keep one of them in this folder, or give its ending in the table's Path"
        raise UserError(
            f"several images of one view: {names}", code="ambiguous-image", where=os.path.dirname(same[0]), hint=hint
        )
    return same[0]


def _list_stems(folder: str) -> dict[str, list[str]]:
    """The images in a folder by stem."""
    found = defaultdict(list)
    try:
        for name in sorted(os.listdir(folder)):
            stem, ending = os.path.splitext(name)
            if ending.lower() in ENDINGS:
                found[stem].append(f"{folder}{os.sep}{name}")
    except (FileNotFoundError, NotADirectoryError):
        pass
    return found
