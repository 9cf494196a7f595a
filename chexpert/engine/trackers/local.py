"""Trackers that write files to the run folder by libraries that are always installed: TensorBoard and CSV."""

import csv
import warnings
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

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
        before = read_rows(run.folder / run_files.CSV / "metrics.csv", run.last_step)
        self.logger = CSVLogger(run.folder, name=run_files.CSV, version="")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the earlier rows go: they are written again
            table = self.logger.experiment
        for row in before:
            table.log_metrics({key: float(value) for key, value in row.items()}, int(float(row["step"])))
        if before:
            table.save()  # the logger has deleted the file
        return self.logger


def read_rows(path: Path, last_step: int | None) -> list[dict[str, str]]:
    """Return the filled cells of the rows of a table before this step; none without one."""
    if last_step is None or not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [row for row in rows if int(float(row["step"])) < last_step]
