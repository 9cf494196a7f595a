"""What was fitted after the weights, for predictions: of the run, of exported weights, or of a file."""

from pathlib import Path
from typing import TypeVar

from chexpert.checkpoints import Loaded
from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.evaluation import Calibration, PredictionSets
from chexpert.inference.output_folder import find_home
from chexpert.runs import files as run_files

Fitted = TypeVar("Fitted", Calibration, PredictionSets)


def read_calibration(run: Path, loaded: Loaded, level: str, views: str, file: Path | None = None) -> Calibration:
    """Return the calibration of weights, and check that it fits them and the scores of studies.

    Args:
        run: run folder, or file of a checkpoint.
        loaded: its model.
        level: ``image`` or ``study``.
        views: score of a study from its views.
        file: calibration.json of ``chexpert recalibrate`` for these weights, in the place of the run's own.

    Raises:
        UserError: there is none, or it is of other weights or scores.
    """
    if file and not file.exists():
        hint = "chexpert recalibrate RUN --labels FILE writes one"
        raise UserError("no such file", code="missing-file", where=str(file), hint=hint)
    found = Calibration.read(file) if file else read_fitted(Calibration, run_files.CALIBRATION, run, loaded)
    if file:
        check_weights(found, file, run, loaded)
    check_views(found, level, views, "the calibration is")
    return found


def read_fitted(kind: type[Fitted], name: str, run: Path, loaded: Loaded) -> Fitted:
    """Return what was fitted for the weights, from the file of this name of the run, or from exported weights.

    Raises:
        UserError: there is none, or it is of other weights.
    """
    best = run_files.checkpoint(run)
    if run.is_file() and run.suffix == best.suffix and run.name != best.name:
        message, hint = f"{name} is of the run's best weights", f"predict by the run, or by {best.name}"
        raise UserError(message, code="other-calibration", where=str(run), hint=hint)
    if run.is_dir() or run.name == best.name:
        return kind.read(find_home(run) / name)
    return kind.parse(loaded.fitted.get(Path(name).stem), str(run))


def check_weights(found: Calibration | PredictionSets, file: Path, run: Path, loaded: Loaded) -> None:
    """Raise an error if a file of ``chexpert recalibrate`` is for other weights: by the calibration that they have.

    A file that does not record whose it is, such as a run's own, is noted.
    """
    if found.of is None:
        log.log(NOTE, f"{file} is taken as it is: whether it is for these weights is not recorded")
    elif found.of != read_fitted(Calibration, run_files.CALIBRATION, run, loaded).digest:
        hint = f"chexpert recalibrate {run} --labels FILE --out FOLDER"
        raise UserError("it was fitted for another run", code="other-calibration", where=str(file), hint=hint)


def check_views(found: Calibration | PredictionSets, level: str, views: str, what: str) -> None:
    """Raise an error if studies are scored otherwise than where this was fitted; ``what`` begins the message."""
    if level == "study" and found.views != views:
        message = f"{what} of the {found.views} over the views of a study"
        where, hint = f"--study-score {views}", f"--study-score {found.views}"
        raise UserError(message, code="other-calibration", where=where, hint=hint)
