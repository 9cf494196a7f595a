"""The predictions so far, kept beside the output until that is complete: a stopped command resumes from them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chexpert.errors import UserError
from chexpert.inference.inputs import InputImage


class Journal:
    """Probabilities by the number of their image in the input; no name stands here.

    Args:
        output: beside which it lies, as ``<output>.part``.
        key: of what makes a probability what it is; a journal of another key is refused.
        images: how many there are.
        width: how many probabilities an image has.
        options: what is done otherwise than usual, to be read in the first line.
    """

    def __init__(
        self, output: Path, key: str, images: int, width: int, options: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self.path, self.head = output.with_name(f"{output.name}.part"), json.dumps({"key": key, **options})
        self.images, self.width = images, width
        self.done: dict[int, list[float]] = {}
        self.flagged: dict[int, str] = {}
        """Of images that are done, why they should be looked at."""

    def __enter__(self) -> "Journal":
        """Reads what is there; a last line that was cut off is done again."""
        known = self.path.is_file()
        if known:
            self._read()
        aside = self.path.with_name(f"{self.path.name}.new")  # a kill here loses nothing
        with aside.open("w", encoding="utf-8") as self.file:
            self.file.write(f"{self.head}\n")
            self._write(self.done, self.flagged)
        aside.replace(self.path)  # once it is closed: Windows renames no open file
        self.file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Where nothing was predicted, nothing is left that would stand in the way of the next call."""
        self.file.close()
        if not self.done:
            self.path.unlink(missing_ok=True)

    def add(self, rows: Mapping[int, Sequence[float]], flagged: Mapping[int, str] = MappingProxyType({})) -> None:
        """Store the probabilities of further images, and the flags of suspicious ones."""
        self.done |= {number: list(row) for number, row in rows.items()}
        self.flagged |= flagged
        self._write(rows, flagged)

    def remove(self) -> None:
        """Remove the journal, once the output is written."""
        self.file.close()
        self.path.unlink()

    def _write(self, rows: Mapping[int, Sequence[float]], flagged: Mapping[int, str]) -> None:
        self.file.writelines(f"{json.dumps({'film': number, 'flag': why})}\n" for number, why in flagged.items())
        self.file.writelines(f"{json.dumps([number, *row])}\n" for number, row in rows.items())
        self.file.flush()

    def _read(self) -> None:
        head, *lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        if not head:
            return  # killed before it held anything
        if head != self.head:
            message = "another model's, input's or option's unfinished predictions lie there"
            raise UserError(
                message, code="other-config", where=str(self.path), hint="remove the file, or give another output"
            )
        for line in lines:
            if row := self._parse(line):
                self.done[row[0]] = row[1:]
            elif flag := _parse_flag(line):
                self.flagged |= flag

    def _parse(self, line: str) -> list[Any] | None:
        """Number and probabilities of an image; None where the line is damaged: the image is then done again."""
        try:
            row = json.loads(line)
        except ValueError:
            return None
        whole = isinstance(row, list) and len(row) == 1 + self.width and type(row[0]) is int
        known = whole and 0 <= row[0] < self.images and all(type(p) is float and 0 <= p <= 1 for p in row[1:])
        return row if known else None


def _parse_flag(line: str) -> dict[int, str]:
    """The flag of an image; none where the line is damaged, whose image is then done again."""
    try:
        entry = json.loads(line)
        return {int(entry["film"]): str(entry["flag"])}
    except (ValueError, TypeError, KeyError):
        return {}


def find_key(checkpoint: Path, images: Iterable[InputImage], **options: Any) -> str:
    """Return a hash of the weights, the images (name, size, time of change) and options that change a probability."""
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    for image in images:
        stat = Path(image.file).stat() if image.file else None
        digest.update(json.dumps([image.name, stat and stat.st_size, stat and stat.st_mtime_ns]).encode())
    digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()
