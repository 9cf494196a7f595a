"""What has been predicted so far, kept beside the output until that is whole: a command that was stopped goes on."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.predicting.inputs import Film
from chexpert.problem import ProblemError


class Journal:
    """Probabilities by the number of their film in the input; no name stands here.

    Args:
        output: beside which it lies, as ``<output>.part``.
        key: of what makes a probability what it is; a journal of another key is refused.
        width: how many probabilities a film has.
    """

    def __init__(self, output: Path, key: str, width: int) -> None:
        self.path, self.key, self.width = output.with_name(f"{output.name}.part"), key, width
        self.done: dict[int, list[float]] = {}

    def __enter__(self) -> "Journal":
        """Reads what is there; a last line that was cut off is done again."""
        known = self.path.is_file()
        if known:
            self._read()
        self.file = self.path.open("w")
        self.file.write(json.dumps({"key": self.key}) + "\n")
        self._write(self.done)
        return self

    def __exit__(self, *_: object) -> None:
        """Where nothing was predicted, nothing is left that would stand in the way of the next call."""
        self.file.close()
        if not self.done:
            self.path.unlink(missing_ok=True)

    def add(self, rows: Mapping[int, Sequence[float]]) -> None:
        """Keeps the probabilities of further films."""
        self.done |= {number: list(row) for number, row in rows.items()}
        self._write(rows)

    def remove(self) -> None:
        """Once the output is written."""
        self.file.close()
        self.path.unlink()

    def _write(self, rows: Mapping[int, Sequence[float]]) -> None:
        self.file.writelines(f"{json.dumps([number, *row])}\n" for number, row in rows.items())
        self.file.flush()

    def _read(self) -> None:
        head, *lines = self.path.read_text().splitlines() or [""]
        if head != json.dumps({"key": self.key}):
            what = "another model's, input's or option's unfinished predictions lie there"
            raise ProblemError(what, where=str(self.path), mend="remove the file, or give another output")
        for line in lines:
            try:
                number, *row = json.loads(line)
            except ValueError:
                continue
            if len(row) == self.width:
                self.done[number] = row


def find_key(checkpoint: Path, films: Iterable[Film], **options: Any) -> str:
    """Of the weights, the films (by name, size and time of change) and the options that change a probability."""
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    for film in films:
        stat = Path(film.file).stat() if film.file else None
        digest.update(json.dumps([film.name, stat and stat.st_size, stat and stat.st_mtime_ns]).encode())
    digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()
