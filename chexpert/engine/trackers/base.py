"""The interface of a tracker, and the run that it tracks."""

import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import Logger

from chexpert.errors import UserError, advise_extra
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping

SHEET_DPI = 60
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""An id of a run; wandb takes no other characters."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker must know of a run to begin or to resume its record.

    Attributes:
        folder: of the run.
        name: of the config; the runs of one name belong together.
        title: the run's overrides, without paths.
        sweep: name of the folder of the sweep that the run is a job of; None for a single run.
        last_step: optimizer steps of the checkpoint from which the run resumes; None for a new one.
    """

    folder: Path
    name: str
    title: str
    sweep: str | None = None
    last_step: int | None = None

    def read_id(self, tracker: str) -> str | None:
        """Return the id that a tracker has given to this run; None before it has.

        Raises:
            UserError: the file holds no id in this place.
        """
        path = self.folder / run_files.TRACKERS
        hint = "delete the file to begin another record"
        found = read_mapping(path, hint).get(tracker)
        if found is not None and not (isinstance(found, str) and ID.fullmatch(found)):
            raise UserError(f"damaged: no id of {tracker}", code="damaged-file", where=str(path), hint=hint)
        return found

    def write_id(self, tracker: str, own: str) -> None:
        """Write the id of this run, by which the tracker finds it again when the run resumes."""
        path = self.folder / run_files.TRACKERS
        run_files.write_json(path, read_mapping(path) | {tracker: own})


class Tracker:
    """Records a run by a logger of Lightning; of several processes only the first has trackers, beside TensorBoard.

    A class of this kind holds the settings of ``logger.<name>``. Nothing is imported, opened or written before
    :meth:`start`.
    """

    name = ""
    logger: Logger

    @property
    def hint(self) -> str:
        """What helps where the tracker cannot start."""
        return "leave it out: logger=[] or another one"

    def start(self, run: TrackedRun) -> Logger:
        """Begin the record of a run, or continue that of a run that resumes, and return Lightning's logger."""
        raise NotImplementedError

    def log_settings(self, hparams: Mapping[str, Any], config: str) -> None:
        """Record flat settings, and the whole config as YAML; neither may hold a private name."""
        self.logger.log_hyperparams(dict(hparams))

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """Record values by tag."""
        if scalars:
            self.logger.log_metrics(dict(scalars), step)

    def show_explanations(self, sheets: Mapping[str, Figure], scalars: Mapping[str, float], step: int) -> None:
        """Record the sheets of explained views by their place, and the metrics of the explainers."""
        for place, sheet in sheets.items():
            self.log_picture(f"explanations/{place}", sheet, step)
        self.log_scalars(scalars, step)

    def log_picture(self, tag: str, picture: Figure, step: int) -> None:
        """Record a picture, if the tracker has any."""

    def log_file(self, path: Path) -> None:
        """Record a file, if the tracker has any."""

    def finish(self, outcome: str) -> None:
        """End the record.

        Args:
            outcome: ``finished``, ``stopped`` (the run can resume) or ``failed``.
        """
        self.logger.save()


def render(plot: Figure) -> Image.Image:
    """Return a plot as an image, at low resolution."""
    buffer = BytesIO()
    plot.savefig(buffer, format="png", dpi=SHEET_DPI)
    return Image.open(buffer)


def find_missing(extra: str, *modules: str) -> Iterator[UserError]:
    """Yield the error of an extra of which one of these modules is not installed."""
    if missing := [module for module in modules if importlib.util.find_spec(module) is None]:
        message = f"{', '.join(missing)} cannot be imported"
        yield UserError(message, code="not-installed", where=f"logger.{extra}", hint=advise_extra(extra))
