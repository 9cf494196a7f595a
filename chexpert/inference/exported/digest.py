"""The SHA-256 that an exported file holds of itself: over every byte, its own 64 digits counted as zeros.

:mod:`.run_template` has the same check, which it needs without this project.
"""

import hashlib
import zipfile
from pathlib import Path

from chexpert.errors import UserError

KEY = "chexpert.sha256"
EMPTY = "0" * 64
MODELS = ("model.onnx", "model.pt2")
MARK = KEY.encode() + b"\x12\x40"
"""In a file of ONNX: the key, then the tag of the value and its 64 bytes."""
OWN_ENTRIES = ("/extra/" + KEY, "/.data/serialization_id")
"""Ends of names in an archive of torch: the digest, and torch's own of all parts."""


def seal(content: bytes) -> bytes:
    """Return the content of a file of ONNX with its digest in the place of :data:`EMPTY`."""
    place = _find_place(content)
    if content[place : place + 64] != EMPTY.encode():
        raise ValueError("no empty place for the digest")
    return content[:place] + hashlib.sha256(content).hexdigest().encode() + content[place + 64 :]


def compute_archive_digest(path: Path) -> str:
    """Return the digest of a file of torch.export: of the names and contents of its parts."""
    total = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(OWN_ENTRIES):
                total.update(name.partition("/")[2].encode() + b"\0" + hashlib.sha256(archive.read(name)).digest())
    return total.hexdigest()


def check_file(path: Path) -> str:
    """Return the digest of an exported file, after comparing it with the file's content.

    Raises:
        UserError: there is no such file, it is no exported file, or it was changed.
    """
    if path.is_dir():
        names = [name for name in MODELS if (path / name).is_file()]
        hint = (
            f"give the file in it: {path / names[0]}" if names else "give the file model.onnx or model.pt2 of an export"
        )
        raise UserError("a folder, where a model file is needed", code="input-kind", where=str(path), hint=hint)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = next(name for name in archive.namelist() if name.endswith(OWN_ENTRIES[0]))
                stored = archive.read(name).decode()
            found = compute_archive_digest(path)
        else:
            content = path.read_bytes()
            place = _find_place(content)
            stored = content[place : place + 64].decode()
            found = hashlib.sha256(content[:place] + EMPTY.encode() + content[place + 64 :]).hexdigest()
    except FileNotFoundError as error:
        hint = "give the file model.onnx or model.pt2 of an export"
        raise UserError("no such file", code="missing-file", where=str(path), hint=hint) from error
    except (ValueError, StopIteration, zipfile.BadZipFile, OSError) as error:
        message, hint = "this file has no digest, or is damaged", "export the run again: chexpert export RUN OUT"
        raise UserError(message, code="damaged-file", where=str(path), hint=hint) from error
    if stored != found:
        message, hint = "this file was changed after its export", "export the run again: chexpert export RUN OUT"
        raise UserError(message, code="changed-file", where=str(path), hint=hint)
    return stored


def _find_place(content: bytes) -> int:
    """Return where the 64 digits begin; the key stands in the file once.

    Raises:
        ValueError: it does not.
    """
    place = content.find(MARK)
    if place < 0 or content.find(MARK, place + 1) >= 0:
        raise ValueError("no digest")
    return place + len(MARK)
