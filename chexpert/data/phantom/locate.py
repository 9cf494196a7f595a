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
    """Return the folder of the phantom (synthetic CheXpert) with these `Options`; the first call writes it.

    Args:
        parent: folder in which each phantom has a folder of its own; ``~`` is the home folder.
        patients: number of patients in train.
        valid: number of patients in valid, of one study each.
        test: number of patients in test, of one study each.
        size: short side of the radiographs in pixels.
        seed: seed of the patients, in 0 to 2^63 - 1.
        layout: layout of the files: small, full, mlmip, aimi, bare, flat, chexlocalize or plus.
        labelers: whether to write train_cheXbert.csv and train_visualCheXbert.csv too.
        enriched: whether Atelectasis, Cardiomegaly and Consolidation are more frequent than in CheXpert.
        laterals: share of lateral views among all views, in [0, 0.5).
        strength: factor on the visibility of a finding, by name; 1 where unnamed.
        shortcut: probability of Support Devices with Cardiomegaly, in [0, 1]; None for no such tie.
        counterfactuals: observations without which the valid radiographs that show them are painted again.
        defects: defects to plant: missing, truncated, duplicate or shared.
        workers: number of processes; None for one for each processor.

    Returns:
        The folder below ``parent``, whose name depends on all options.

    Raises:
        UserError: an option is not possible, or the folder holds other files.
    """
    given = {name: value for name, value in locals().items() if name not in ("parent", "workers")}
    given["strength"] = strength or {}
    folder = Path(parent).expanduser() / Options(**given).name()
    return folder if (folder / MARK).is_file() else write_phantom(folder, workers=workers, **given)
