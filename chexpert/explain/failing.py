"""Explainers that failed: what is kept of the others, and what is told."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chexpert import rundir


class Failures(dict[str, str]):
    """Why explainers failed, by name; each costs its own maps and no other's.

    Args:
        folder: of the explanations; ``explanations/failed.json`` tells of those that failed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    @contextmanager
    def catching(self, *names: str, half: Path | None = None) -> Iterator[None]:
        """Notes of these explainers what is raised, and removes ``half``: the folder that is then half written."""
        try:
            yield
        except Exception as error:
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            for name in names:
                self.setdefault(name, why)
            if half:
                shutil.rmtree(half, ignore_errors=True)

    def tell(self, run: Path, explainers: Iterable[str]) -> list[str]:
        """A line for each, and the command that explains again."""
        if not self:
            return []
        names = [name for name in explainers if name in self]
        folder = run / f"{rundir.EXPLANATIONS}-{names[0]}"
        mend = f"python scripts/explain.py {run} --explainer {' '.join(names)} --out {folder}"
        lines = [f"warning: {name} failed: {why}" for name, why in self.items()]
        return [*lines, f"  the run is finished without that; to explain again: {mend}"]

    def write(self) -> None:
        """Leaves what failed; nothing where nothing did, nor where the disk is full: it is told all the same."""
        path = self.folder / rundir.FAILED
        with suppress(OSError):
            if self:
                rundir.write_json(path, dict(self))
            else:
                path.unlink(missing_ok=True)
