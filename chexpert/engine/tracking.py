"""Record a run with the trackers that its config chooses: settings, metrics with intervals, pictures, the report."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure
from pytorch_lightning.loggers import Logger

from chexpert.distributed import find_rank
from chexpert.engine.build import build_trackers
from chexpert.engine.tensorboard import list_explanation_scalars, list_metrics
from chexpert.engine.trackers import TensorBoard, TrackedRun, Tracker
from chexpert.engine.trackers.guarded_logger import GuardedLogger, describe_failure, warn_of_failure
from chexpert.errors import FULL, UserError
from chexpert.report.names import Names, hide_value, name_folder
from chexpert.runs import files as run_files
from chexpert.runs.read import read_explanations, read_mapping
from chexpert.runs.state import find_sweep
from chexpert.signals import Stopped

VIEWS = "views/"
"""Before the name of a view in the place of its sheet."""


class Tracking:
    """The trackers of a run that have started.

    Args:
        run: which is recorded.
        trackers: of the first process all that are chosen; of any other TensorBoard alone, which then writes nothing.
    """

    def __init__(self, run: TrackedRun, trackers: list[Tracker]) -> None:
        self.run, self.trackers = run, list[Tracker]()
        self.loggers = list[Logger]()
        try:
            for tracker in trackers:
                logger = start(tracker, run)
                self.trackers.append(tracker)
                # TensorBoardWriter and Lightning look for its class, and it writes to the run folder alone.
                keeps_class = isinstance(tracker, TensorBoard)
                self.loggers.append(logger if keeps_class else GuardedLogger(tracker.name, logger))
        except BaseException:
            self.finish("failed")  # those that have started
            raise

    def log_settings(self, hparams: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Record the settings, with a word in place of each path, and a hash in place of each image."""
        shown = yaml.safe_dump(Names("hash", self.run.folder).settings(config), sort_keys=False)
        self._attempt("log_settings", {key: hide_value(key, value) for key, value in hparams.items()}, shown)

    def log_evaluations(self, step: int) -> None:
        """Record each metric of each evaluation, its interval beside it as ``<tag>/low`` and ``<tag>/high``."""
        for path in sorted((self.run.folder / run_files.EVALUATION).glob("*.json")):
            scalars: dict[str, float] = {}
            for tag, metric in list_metrics(path.stem, read_mapping(path)):
                values = {tag: metric["value"], f"{tag}/low": metric["ci_low"], f"{tag}/high": metric["ci_high"]}
                scalars |= {key: value for key, value in values.items() if value is not None}
            self._attempt("log_scalars", scalars, step)

    def show_explanations(self, sheets: Mapping[str, Figure], quality: Mapping[str, Any], step: int) -> None:
        """Record the sheets of explained views, and the metrics of the explainers in the content of quality.json.

        A view has its hash in the place of its name, as in the report; TensorBoard, which stays here, has the name.
        """
        scalars, hashed = dict(list_explanation_scalars(quality)), self._hash_views(sheets)
        for tracker in self.trackers:
            shown = sheets if isinstance(tracker, TensorBoard) else hashed
            self._call(tracker, "show_explanations", shown, scalars, step)

    def _hash_views(self, sheets: Mapping[str, Figure]) -> dict[str, Figure]:
        names, folder = Names("hash", self.run.folder), self.run.folder / run_files.EXPLANATIONS
        manifests = folder.glob(f"*/{run_files.MANIFEST}")
        views = [str(entry["view"]) for path in manifests for entry in read_explanations(path)]
        paths = {run_files.view_name(view): view for view in views}
        hashed = {}
        for place, sheet in sheets.items():
            view = place.removeprefix(VIEWS)
            hashed[place if view == place else f"{VIEWS}{names.image(paths.get(view, view))}"] = sheet
        return hashed

    def log_file(self, path: Path) -> None:
        """Record a file of the run folder, if it is there."""
        if path.is_file():
            self._attempt("log_file", path)

    def _attempt(self, method: str, *arguments: Any) -> None:
        """Call a method of each tracker; an error of one of them is a warning: the run is valid without it."""
        for tracker in self.trackers:
            self._call(tracker, method, *arguments)

    def _call(self, tracker: Tracker, method: str, *arguments: Any) -> None:
        try:
            getattr(tracker, method)(*arguments)
        except Exception as error:  # of a library, a server or a disk
            warn_of_failure(tracker.name, method, error)

    def finish(self, outcome: str) -> None:
        """End the record with ``finished``, ``stopped`` or ``failed``."""
        self._attempt("finish", outcome)

    def has_tensorboard(self) -> bool:
        """Return whether TensorBoard is among the trackers."""
        return any(isinstance(tracker, TensorBoard) for tracker in self.trackers)


def start(tracker: Tracker, run: TrackedRun) -> Logger:
    """Begin or continue the record of a run.

    Raises:
        UserError: the tracker cannot start, by whatever exception of its library.
        OSError: the disk is full.
    """
    try:
        return tracker.start(run)
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        message = f"cannot be started: {describe_failure(error)}"
        raise UserError(message, code="storage", where=f"logger.{tracker.name}", hint=tracker.hint) from error


@contextmanager
def tracking(cfg: Mapping[str, Any], folder: Path, last_step: int | None) -> Iterator[Tracking]:
    """Start the trackers of a config, and end their records with the outcome of the body.

    Of several processes that train together the first has all trackers.

    Args:
        cfg: of the run.
        folder: of the run.
        last_step: optimizer steps of the checkpoint from which the run resumes; None for a new one.

    Yields:
        The trackers.

    Raises:
        UserError: a tracker cannot start, or has no record of a run that resumes.
    """
    sweep, first = find_sweep(folder), not find_rank()
    run = TrackedRun(folder, cfg["name"], name_folder(folder), sweep.name if sweep else None, last_step)
    started = Tracking(run, [one for one in build_trackers(cfg) if first or isinstance(one, TensorBoard)])
    outcome = "failed"
    try:
        yield started
        outcome = "finished"
    except Stopped:
        outcome = "stopped"
        raise
    finally:
        if first:
            started.finish(outcome)
