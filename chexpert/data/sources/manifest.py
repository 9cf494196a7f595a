"""A manifest: the SHA-256 of every file, in the format of sha256sum, relative to the folder of the layout.

`cd FOLDER && sha256sum -c MANIFEST` reads it too.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from chexpert.errors import Code, UserError

CHANGED = "changed since the manifest was written"
WRITE = "write it again: chexpert audit ROOT --manifest FILE"
LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write_manifest(path: Path, hashes: Mapping[str, str]) -> None:
    """Write {relative path: SHA-256} sorted by path; the bytes of a name come back, whatever they are.

    Raises:
        UserError: a name has a line break, which the format does not allow.
    """
    if broken := sorted(name for name in hashes if "\n" in name):
        message = f"a line break in the name of a file: {broken[0]!r}"
        raise UserError(message, code="file-name", where=str(path), hint="rename the file")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.fsencode("".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))))


def read_manifest(path: Path) -> dict[str, str]:
    """Read {relative path: SHA-256} of a manifest.

    Raises:
        UserError: it cannot be read, or a line is not ``<64 hex digits>  <path>`` or names a file again.
    """
    try:
        lines = os.fsdecode(path.read_bytes()).removesuffix("\n").split("\n")
    except OSError as error:
        code: Code = "missing-file" if isinstance(error, FileNotFoundError) else "unreadable-file"
        raise UserError(f"the manifest cannot be read: {error}", code=code, where=str(path), hint=WRITE) from error
    hashes: dict[str, str] = {}
    if lines == [""]:
        raise UserError("the manifest is empty", code="empty-table", where=str(path), hint=WRITE)
    for number, line in enumerate(lines, start=1):
        match = LINE.fullmatch(line)
        if match is None or match[2] in hashes:
            message = f"not a line of a manifest: {line[:100]!r}" if match is None else f"listed twice: {match[2]!r}"
            raise UserError(
                message,
                code="manifest-line" if match is None else "repeated",
                where=f"{path}, line {number}",
                hint=WRITE,
            )
        hashes[match[2]] = match[1]
    return hashes


def hash_file(path: str | Path) -> str:
    """Compute the SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expect(known: Mapping[str, str], folder: Path, files: Iterable[str | Path]) -> list[str]:
    """Return the SHA-256 that a manifest has for each of these files.

    Args:
        known: {relative path: SHA-256}.
        folder: to which the paths are relative.
        files: below it.

    Raises:
        UserError: the manifest does not know all of them.
    """
    names = [os.path.relpath(file, folder) for file in files]
    unknown = [name for name in names if name not in known]
    if unknown:
        message = f"{len(unknown)} of {len(names)} files are not in the manifest, the first: {unknown[0]}"
        raise UserError(
            message, code="other-data", where="data.manifest", hint=f"take the manifest of this copy, or {WRITE}"
        )
    return [known[name] for name in names]


def check_files(known: Mapping[str, str], folder: Path, files: Iterable[Path]) -> None:
    """Check that files are what they were when the manifest was written; arguments as above.

    Raises:
        UserError: a file changed, or is not known.
    """
    for file in files:
        if [hash_file(file)] != expect(known, folder, [file]):
            raise UserError(CHANGED, code="changed-file", where=str(file), hint="restore the file")
