"""Trackers that write files to the run folder by libraries that are always installed: TensorBoard and CSV."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from chexpert.console import NOTE, log
from chexpert.engine.trackers.base import SHEET_DPI, TrackedRun, Tracker
from chexpert.runs import files as run_files


class TensorBoard(Tracker):
    """Event files in the folder ``tensorboard`` of the run; :mod:`chexpert.engine.tensorboard` writes its pages."""

    name = "tensorboard"
    logger: TensorBoardLogger

    def start(self, run: TrackedRun) -> Logger:
        """Return the logger; of a resumed run, events after its checkpoint are hidden: the steps run again."""
        self.logger = TensorBoardLogger(
            run.folder, name=run_files.TENSORBOARD, version="", default_hp_metric=False, purge_step=run.last_step
        )
        return self.logger

    def log_settings(self, hparams: Mapping[str, object], config: str) -> None:
        """Write nothing yet: TensorBoard compares settings beside the metric, which TensorBoardWriter has."""

    def show_explanations(self, sheets: Mapping[str, Figure], scalars: Mapping[str, float], step: int) -> None:
        for place, sheet in sheets.items():
            sheet.set_dpi(SHEET_DPI)
            self.logger.experiment.add_figure(f"explanations/{place}", sheet, step)
        for tag, value in scalars.items():
            self.logger.experiment.add_scalar(tag, value, step)

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """Write nothing: ``show_evaluation`` writes these values and plots of their intervals."""

    def finish(self, outcome: str) -> None:
        """Do nothing: Lightning closes the files."""


class Csv(Tracker):
    """A table of all values, ``csv/metrics.csv`` of the run, and the settings beside it in ``hparams.yaml``."""

    name = "csv"
    logger: CSVLogger

    def start(self, run: TrackedRun) -> Logger:
        """Return the logger; of a resumed run, the rows up to its checkpoint stay: the later steps run again."""
        self.logger = CSVLogger(run.folder, name=run_files.CSV, version="")
        writer = RowWriter(self.logger.log_dir)
        path = Path(writer.metrics_file_path)
        rows = [] if run.last_step is None else [row for row in read_rows(path) if int(row["step"]) < run.last_step]
        if rows:
            writer.metrics_keys = list(rows[0])
            write_rows(path, writer.metrics_keys, rows)
        else:
            path.unlink(missing_ok=True)
        self.logger._experiment = writer
        return self.logger


class RowWriter(ExperimentWriter):
    """Writes the table as Lightning does, but loses no row where the process is killed."""

    def _check_log_dir_exists(self) -> None:
        """Delete nothing: rows would exist in memory alone until the next are written."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        path = Path(self.metrics_file_path)
        write_rows(path, fieldnames, read_rows(path))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table whose cells are numbers; a note counts the others. None without a file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        header, *rows = map(split_cells, file.readlines() or [""])
    kept = [row for cells in rows if len(row := dict(zip(header, cells, strict=False))) == len(cells) == len(header)]
    kept = [row for row in kept if is_row(row)]
    if len(kept) < len(rows):
        log.log(NOTE, f"{path}: {len(rows) - len(kept):,} rows cannot be read, and are left out")
    return kept


def split_cells(line: str) -> list[str]:
    """Return the cells of a line; none if it is damaged. A quote that does not end spoils no other line."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def is_row(row: Mapping[str, str]) -> bool:
    """Return whether a row has a step, and numbers in all cells that are filled.

    >>> is_row({"step": "3", "loss": "0.5", "lr": ""}), is_row({"step": "", "loss": "0.5"}), is_row({"step": "a"})
    (True, False, False)
    """
    try:
        _ = int(row["step"]), [float(value) for value in row.values() if value]
    except (KeyError, ValueError):
        return False
    return True


def write_rows(path: Path, header: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write a table whole, in place of the one that is there."""
    part = path.with_name(path.name + run_files.PART)
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)
