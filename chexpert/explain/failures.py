"""Explainers that failed: what is kept of the others, and what is told."""

import shutil
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import join
from typing import Any

from chexpert.errors import ProblemError
from chexpert.runs import files as run_files


class Failures(dict[str, str]):
    """Why explainers failed, or a step over all of them, by name; each costs its own and no other's.

    Args:
        folder: of the explanations; ``explanations/failed.json`` tells of what failed, down to the traceback.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.details: dict[str, dict[str, Any]] = {}
        """By name what the file tells: ``why``, ``where`` and ``mend`` of a problem, ``traceback``, ``explainers``."""

    @contextmanager
    def catching(self, name: str, half: Path | None = None, explainers: Iterable[str] = ()) -> Iterator[None]:
        """Notes what is raised of an explainer, or of a step over ``explainers``.

        ``half`` is removed: the folder that is then half written.
        """
        try:
            yield
        except Exception as error:
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            told: dict[str, Any] = {"why": why, "explainers": [*explainers] or [name]}
            if isinstance(error, ProblemError):
                told |= {"why": error.what, "where": error.where, "mend": error.mend}
            if name not in self:
                self[name] = told["why"]
                self.details[name] = told | {"traceback": "".join(traceback.format_exception(error))}
            if half:
                shutil.rmtree(half, ignore_errors=True)

    def tell(self, run: Path) -> list[str]:
        """A line for each, with the mend of a problem, and the command that explains again."""
        if not self:
            return []
        names = [*dict.fromkeys(name for told in self.details.values() for name in told["explainers"])]
        folder = run / f"{run_files.EXPLANATIONS}-{names[0]}"
        again = join(["python", "scripts/explain.py", str(run), "--explainer", *names, "--out", str(folder)])
        lines = []
        for name, told in self.details.items():
            lines.append(f"warning: {name} failed: {told['why']}")
            lines += [f"  {part + ':':6} {told[part]}" for part in ("where", "mend") if told.get(part)]
        return [*lines, f"  the run is finished without that; to explain again: {again}"]

    def write(self) -> None:
        """Leaves what failed; nothing where nothing did, nor where the disk is full: it is told all the same."""
        path = self.folder / run_files.FAILED
        with suppress(OSError):
            if self:
                run_files.write_json(path, self.details)
            else:
                path.unlink(missing_ok=True)
