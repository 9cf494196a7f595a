"""Explainers that failed: their errors, and the lines that report them."""

import shutil
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import join
from typing import Any

from chexpert.errors import UserError
from chexpert.runs import files as run_files


class Failures(dict[str, str]):
    """Why explainers failed, or a step over all of them, by name; each costs its own and no other's.

    Args:
        folder: of the explanations; ``explanations/failed.json`` describes each failure, down to the traceback.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.details: dict[str, dict[str, Any]] = {}
        """The file's content by name: ``why``, ``code``, ``where``, ``hint``, ``traceback``, ``explainers``."""

    @contextmanager
    def catching(self, name: str, half: Path | None = None, explainers: Iterable[str] = ()) -> Iterator[None]:
        """Catch and note an exception of an explainer, or of a step over ``explainers``.

        ``half`` is removed: the folder that is then half written.
        """
        try:
            yield
        except Exception as error:
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            entry: dict[str, Any] = {"why": why, "explainers": [*explainers] or [name]}
            if isinstance(error, UserError):
                entry |= {"why": error.message, "code": error.code, "where": error.where, "hint": error.hint}
            if name not in self:
                self[name] = entry["why"]
                self.details[name] = entry | {"traceback": "".join(traceback.format_exception(error))}
            if half:
                shutil.rmtree(half, ignore_errors=True)

    def format_lines(self, run: Path) -> list[str]:
        """Return a line for each failure, with the hint of an error, and the command that explains again."""
        if not self:
            return []
        names = [*dict.fromkeys(name for entry in self.details.values() for name in entry["explainers"])]
        folder = run / f"{run_files.EXPLANATIONS}-{names[0]}"
        again = join(["chexpert", "explain", str(run), "--explainer", *names, "--out", str(folder)])
        lines = []
        for name, entry in self.details.items():
            lines.append(f"warning: {name} failed: {entry['why']}")
            lines += [f"  {part + ':':6} {entry[part]}" for part in ("where", "hint") if entry.get(part)]
        return [*lines, f"  the run is finished without that; to explain again: {again}"]

    def write(self) -> None:
        """Write the failures; write nothing without a failure or on a full disk: the lines report them all the same."""
        path = self.folder / run_files.FAILED
        with suppress(OSError):
            if self:
                run_files.write_json(path, self.details)
            else:
                path.unlink(missing_ok=True)
