"""What has been predicted so far, kept beside the output until that is whole: a command that was stopped goes on."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chexpert.errors import ProblemError
from chexpert.inference.inputs import Film


class Journal:
    """Probabilities by the number of their film in the input; no name stands here.

    Args:
        output: beside which it lies, as ``<output>.part``.
        key: of what makes a probability what it is; a journal of another key is refused.
        films: how many there are.
        width: how many probabilities a film has.
    """

    def __init__(self, output: Path, key: str, films: int, width: int) -> None:
        self.path, self.key = output.with_name(f"{output.name}.part"), key
        self.films, self.width = films, width
        self.done: dict[int, list[float]] = {}
        self.flagged: dict[int, str] = {}
        """Of films that are done, why they should be looked at."""

    def __enter__(self) -> "Journal":
        """Reads what is there; a last line that was cut off is done again."""
        known = self.path.is_file()
        if known:
            self._read()
        aside = self.path.with_name(f"{self.path.name}.new")  # a kill here loses nothing
        with aside.open("w", encoding="utf-8") as self.file:
            self.file.write(json.dumps({"key": self.key}) + "\n")
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
        """Keeps the probabilities of further films, and why some of them should be looked at."""
        self.done |= {number: list(row) for number, row in rows.items()}
        self.flagged |= flagged
        self._write(rows, flagged)

    def remove(self) -> None:
        """Once the output is written."""
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
        if head != json.dumps({"key": self.key}):
            what = "another model's, input's or option's unfinished predictions lie there"
            raise ProblemError(what, where=str(self.path), mend="remove the file, or give another output")
        for line in lines:
            if row := self._parse(line):
                self.done[row[0]] = row[1:]
            elif flag := _parse_flag(line):
                self.flagged |= flag

    def _parse(self, line: str) -> list[Any] | None:
        """Number and probabilities of a film; None where the line is damaged: the film is then done again."""
        try:
            row = json.loads(line)
        except ValueError:
            return None
        whole = isinstance(row, list) and len(row) == 1 + self.width and type(row[0]) is int
        known = whole and 0 <= row[0] < self.films and all(type(p) is float and 0 <= p <= 1 for p in row[1:])
        return row if known else None


def _parse_flag(line: str) -> dict[int, str]:
    """The flag of a film; none where the line is damaged, whose film is then done again."""
    try:
        told = json.loads(line)
        return {int(told["film"]): str(told["flag"])}
    except (ValueError, TypeError, KeyError):
        return {}


def find_key(checkpoint: Path, films: Iterable[Film], **options: Any) -> str:
    """Of the weights, the films (by name, size and time of change) and the options that change a probability."""
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    for film in films:
        stat = Path(film.file).stat() if film.file else None
        digest.update(json.dumps([film.name, stat and stat.st_size, stat and stat.st_mtime_ns]).encode())
    digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()
