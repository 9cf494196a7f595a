"""The tables of a spread that ``chexpert predict`` writes beside its output, and ``chexpert defer`` reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from chexpert.errors import Code, UserError
from chexpert.evaluation import Named, read_predictions
from chexpert.inference.output_folder import try_folder
from chexpert.inference.output_table import Row, write
from chexpert.inference.spread import MEMBERS, TTA, Spread


class SpreadTables:
    """One table of probabilities for each of the K views or members, as the output has them.

    Args:
        spread: whose.
        folder: FOLDER/members/<name>.csv or FOLDER/tta/view-00.csv, ... are written.

    Raises:
        UserError: there are such tables already, or the folder cannot be written.
    """

    def __init__(self, spread: Spread, folder: Path) -> None:
        self.spread, self.folder = spread, folder / spread.kind
        if self.folder.exists():
            message = "it is there already, and nothing is overwritten"
            raise UserError(message, code="not-empty", where=str(self.folder), hint="give a new folder")
        try_folder(folder)
        self.options = {"spread": spread.kind}
        """What a stopped prediction must have had too."""
        self.count = 1 + len(spread.names)
        """Probabilities of an image and observation: that of the output, and the K."""

    def write(self, level: str, names: Sequence[str], tables: Sequence[Sequence[Row]]) -> None:
        """Write the K tables, each with its rows by name; refused ones, which have no probabilities, are left out."""
        for name, rows in zip(self.spread.names, tables, strict=True):
            path = self.folder / f"{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, level, names, [(name, row) for name, row in rows if row is not None])


def read_spreads(folder: Path) -> Mapping[str, list[Named]]:
    """Read the tables of a folder, by confidence: ``members``, ``tta``.

    Raises:
        UserError: the folder holds none.
    """
    found = {kind: sorted((folder / kind).glob("*.csv")) for kind in (MEMBERS, TTA)}
    if not any(found.values()):
        message = f"no tables of a spread: neither {MEMBERS}/*.csv nor {TTA}/*.csv"
        hint = "chexpert predict RUN INPUT OUTPUT.csv --spread FOLDER writes them"
        code: Code = "missing-file" if folder.is_dir() else "missing-folder"
        raise UserError(message, code=code, where=str(folder), hint=hint)
    return {kind: [read_predictions(path) for path in paths] for kind, paths in found.items() if paths}
