"""The phantom that a config asks for: found on disk, or written at the first call."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from chexpert.data.phantom.options import Options
from chexpert.data.phantom.writer import write_phantom
from chexpert.runs.synthetic import MARK


def find_phantom(
    parent: str | Path,
    *,
    patients: int = Options.patients,
    valid: int = Options.valid,
    test: int = Options.test,
    size: int = Options.size,
    seed: int = Options.seed,
    layout: str = Options.layout,
    labelers: bool = Options.labelers,
    enriched: bool = Options.enriched,
    laterals: float = Options.laterals,
    strength: Mapping[str, float] | None = None,
    shortcut: float | None = Options.shortcut,
    counterfactuals: Sequence[str] = (),
    defects: Sequence[str] = (),
    workers: int | None = None,
) -> Path:
    """The phantom of these `Options` in a folder of its own under `parent`, written at the first call."""
    given = {name: value for name, value in locals().items() if name not in ("parent", "workers")}
    given["strength"] = strength or {}
    folder = Path(parent).expanduser() / Options(**given).name()
    return folder if (folder / MARK).is_file() else write_phantom(folder, workers=workers, **given)
