"""A manifest: the SHA-256 of every file, in the format of sha256sum, relative to the folder of the layout.

`cd FOLDER && sha256sum -c MANIFEST` reads it too.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from chexpert.data.audit.defect import Defect
from chexpert.problem import ProblemError

LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write_manifest(path: Path, hashes: Mapping[str, str]) -> None:
    """Writes {relative path: SHA-256} sorted by path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)), encoding="utf-8")


def read_manifest(path: Path) -> dict[str, str]:
    """{relative path: SHA-256} of a manifest.

    Raises:
        ProblemError: it cannot be read, or a line is not ``<64 hex digits>  <path>`` or names a file again.
    """
    mend = "write it again: audit_data.py ROOT --manifest FILE"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"the manifest cannot be read: {error}", where=str(path), mend=mend) from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = LINE.fullmatch(line)
        if match is None or match[2] in hashes:
            what = f"not a line of a manifest: {line[:100]!r}" if match is None else f"listed twice: {match[2]}"
            raise ProblemError(what, where=f"{path}, line {number}", mend=mend)
        hashes[match[2]] = match[1]
    if not hashes:
        raise ProblemError("the manifest is empty", where=str(path), mend=mend)
    return hashes


def compare_manifest(known: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Defect]:
    """What changed, is missing or is new, with {relative path: SHA-256} from the manifest and of the files."""
    for name in sorted(known.keys() | found.keys()):
        if name not in found:
            message, mend = "missing, but in the manifest", "restore the file"
        elif name not in known:
            message, mend = "not in the manifest", "remove the file, or write the manifest again"
        elif known[name] != found[name]:
            message, mend = "changed since the manifest was written", "restore the file"
        else:
            continue
        yield Defect("manifest", name, message, mend)
