"""The external data set in a folder; where none is, which tables were looked for, and what lies there instead."""

import os
from collections.abc import Iterator
from pathlib import Path

from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external import SETS, detect_external
from chexpert.data.sources.external.layout import ExternalLayout
from chexpert.errors import UserError

LISTED = 6
"""Names of files and folders that an error lists."""


def open_external(root: Path) -> ExternalLayout:
    """Open the external data set whose tables lie in a folder.

    Raises:
        UserError: no such folder, or the tables of none, of several, or of CheXpert, lie there.
    """
    if not root.is_dir():
        hint = "give the folder that holds the data set's tables"
        raise UserError("no such folder", code="missing-folder", where=str(root), hint=hint)
    found = list(detect_external(root.absolute()))
    if len(found) == 1:
        return found[0]
    if found:
        message = f"tables of several data sets: {', '.join(layout.name for layout in found)}"
        hint = "give each data set a folder of its own"
        raise UserError(message, code="ambiguous-dataset", where=str(root), hint=hint)
    refuse_chexpert(root)
    looked = "; ".join(f"{own.expected} ({own.name})" for own in SETS.values())
    message = f"no external data set. Looked for {looked}. Found: {describe_content(root)}"
    below = next(_list_below(root), None)
    hint = (
        f"give {below}" if below else "give the folder that holds one of these tables, unpacked as it was distributed"
    )
    raise UserError(message, code="missing-dataset", where=str(root), hint=hint)


def refuse_chexpert(root: Path) -> None:
    """Raise an error where a folder holds a copy of CheXpert."""
    try:
        layout = find_layout(root, where="")
    except UserError:
        return
    hint = "its commands take it as it is: chexpert train data.root=..., chexpert audit ROOT"
    raise UserError(f"{layout.name} is no external data set", code="input-kind", where=str(root), hint=hint)


def describe_content(folder: Path) -> str:
    """Return the first names in a folder, folders with a slash, and how many there are."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    more = f" and {len(names) - LISTED:,} more" * (len(names) > LISTED)
    return f"{', '.join(names[:LISTED])}{more}" if names else "nothing"


def _list_below(root: Path) -> Iterator[Path]:
    """The folders in this one that hold a data set."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and os.access(path, os.R_OK | os.X_OK)):
        if any(True for _ in detect_external(folder)):
            yield folder
