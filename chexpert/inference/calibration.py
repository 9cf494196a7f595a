"""The calibration that predictions are made by: of the run, of exported weights, or of a file."""

from pathlib import Path

from chexpert.checkpoints import Loaded
from chexpert.errors import UserError
from chexpert.evaluation import Calibration
from chexpert.inference.output_folder import find_home
from chexpert.runs import files as run_files


def read_calibration(run: Path, loaded: Loaded, level: str, views: str, file: Path | None = None) -> Calibration:
    """Return the calibration of weights, and check that it fits them and the scores of studies.

    Args:
        run: run folder, or file of a checkpoint.
        loaded: its model.
        level: ``image`` or ``study``.
        views: score of a study from its views.
        file: calibration.json of ``chexpert recalibrate``, in the place of the run's own.

    Raises:
        UserError: there is none, or it is of other weights or scores.
    """
    found = Calibration.read(file) if file else _read_own(run, loaded)
    if level == "study" and found.views != views:
        message = f"the calibration is of the {found.views} over the views of a study"
        raise UserError(
            message, code="other-calibration", where=f"--study-score {views}", hint=f"--study-score {found.views}"
        )
    return found


def _read_own(run: Path, loaded: Loaded) -> Calibration:
    best = run_files.checkpoint(run)
    if run.is_file() and run.suffix == best.suffix and run.name != best.name:
        hint = f"predict by the run, or by {best.name}"
        raise UserError(
            "the calibration is of the run's best weights", code="other-calibration", where=str(run), hint=hint
        )
    if run.is_dir() or run.name == best.name:
        return Calibration.read(find_home(run) / run_files.CALIBRATION)
    return Calibration.parse(loaded.fitted.get("calibration"), str(run))
