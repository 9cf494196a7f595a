"""The external data set in a folder; where none is, which tables were looked for, and what lies there instead."""

from collections.abc import Iterator
from pathlib import Path

from chexpert.data.sources.external import SETS, detect_external
from chexpert.data.sources.external.layout import ExternalLayout
from chexpert.errors import UserError

LISTED = 6
"""Names of files and folders that an error lists."""


def open_external(root: Path) -> ExternalLayout:
    """Open the external data set whose tables lie in a folder.

    Raises:
        UserError: no such folder, or the tables of none, or of several, lie there.
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
    looked = "; ".join(f"{own.expected} ({own.name})" for own in SETS.values())
    message = f"no external data set. Looked for {looked}. Found: {describe_content(root)}"
    below = next(_list_below(root), None)
    hint = (
        f"give {below}" if below else "give the folder that holds one of these tables, unpacked as it was distributed"
    )
    raise UserError(message, code="missing-dataset", where=str(root), hint=hint)


def describe_content(folder: Path) -> str:
    """Return the first names in a folder, folders with a slash, and how many there are."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    more = f" and {len(names) - LISTED:,} more" * (len(names) > LISTED)
    return f"{', '.join(names[:LISTED])}{more}" if names else "nothing"


def _list_below(root: Path) -> Iterator[Path]:
    """The folders in this one that hold a data set."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if any(True for _ in detect_external(folder)):
            yield folder
