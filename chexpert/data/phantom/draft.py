"""Where a phantom comes to lie: its folder appears complete or not at all, and never in place of anything else."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chexpert.errors import Code, UserError, find_write_code
from chexpert.runs.synthetic import MARK

RunData = Mapping[str, Any]  # version and options, as JSON gives them back


def lies_there(folder: Path, record: RunData) -> bool:
    """Return whether the phantom of this record lies in a folder.

    Raises:
        UserError: another one or anything else lies there, or no folder can have this name.
    """
    if folder.name in ("", ".."):
        raise _refuse(folder, "has no name of its own", code="file-name")
    try:
        stored, taken = _read_record(folder), folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise _refuse(folder, f"cannot be made: {error.strerror}", code=find_write_code(error)) from error
    if taken and stored != record:
        raise _refuse(folder, "is not an empty folder" if stored is None else "holds another phantom")
    return taken


@contextmanager
def open_draft(folder: Path, record: RunData) -> Iterator[Path]:
    """Make a new folder beside `folder`, with phantom/ in it, that takes its place at the end.

    Nothing is left on an error.

    When another process was faster, its phantom stays, which must be the same.
    """
    target = folder.resolve()  # of a link: renaming would not follow it
    draft = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        _make(draft / Path(MARK).parent, folder)
        yield draft
        (draft / MARK).write_text(json.dumps(record, indent=1), encoding="utf-8")
        try:
            draft.rename(target)
        except OSError:
            if not lies_there(folder, record):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _make(draft: Path, folder: Path) -> None:
    shutil.rmtree(draft.parent, ignore_errors=True)  # of a killed process that had the same number
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise _refuse(folder, f"cannot be made: {error.strerror}", code=find_write_code(error)) from error


def _read_record(folder: Path) -> Any:
    """None where no phantom lies."""
    try:
        record = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # damaged: nobody knows which one it is
        return {}
    if isinstance(record, dict) and "labellers" in record:  # of an older version
        record["labelers"] = record.pop("labellers")
    return record


def _refuse(folder: Path, why: str, code: Code = "not-empty") -> UserError:
    return UserError(f"this place {why}", code=code, where=str(folder), hint="name a new folder, or remove it first")
