"""What changed since a manifest was written."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from chexpert.data.audit.defect import Defect
from chexpert.data.sources.manifest import CHANGED


def compare_manifest(known: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Defect]:
    """List the files that changed, are missing or are new since a manifest was written.

    Args:
        known: {relative path: SHA-256} of the manifest.
        found: {relative path: SHA-256} of the files.

    Yields:
        One defect for each such file, in the order of their paths; also for a file of the manifest that is not checked,
        since it lies outside of the dataset folder.
    """
    for name in sorted(known.keys() | found.keys()):
        if name not in found and _is_outside(name):
            message, hint = "not checked: it lies outside of the copy", "remove the line, or check it by itself"
        elif name not in found:
            message, hint = "missing, but in the manifest", "restore the file"
        elif name not in known:
            message, hint = "not in the manifest", "remove the file, or write the manifest again"
        elif known[name] != found[name]:
            message, hint = CHANGED, "restore the file"
        else:
            continue
        yield Defect("manifest", name, message, hint)


def _is_outside(name: str) -> bool:
    return Path(name).is_absolute() or os.path.normpath(name).startswith("..")
