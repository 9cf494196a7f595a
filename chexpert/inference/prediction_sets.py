"""The prediction sets of a table of predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation import PredictionSets
from chexpert.evaluation.csv_columns import SET
from chexpert.inference.output_folder import find_home
from chexpert.inference.output_table import Row
from chexpert.runs import files as run_files


@dataclass(frozen=True)
class SetColumns:
    """The columns of sets that a table has besides its probabilities.

    Attributes:
        sets: the run's.
        names: observations, in the order of the columns.
        level: ``image`` or ``study``.
        error_rate: between 0 and .5.
        missing: of each observation that has no set, why.
    """

    sets: PredictionSets
    names: Sequence[str]
    level: str
    error_rate: float
    missing: Mapping[str, str] = field(default_factory=dict)

    def make(self, rows: Sequence[Row]) -> dict[str, list[str]]:
        """Return the columns by header, of the table's rows with probabilities that are not calibrated.

        The cells of a row without probabilities are blank.
        """
        scores = np.array([row for _, row in rows if row is not None]).reshape(-1, len(self.names))
        found = self.sets.apply(scores, self.names, self.level, self.error_rate)
        sets = {name: iter(column) for name, column in found.items()}
        return {name + SET: ["" if row is None else next(own) for _, row in rows] for name, own in sets.items()}


def open_sets(run: Path, names: Sequence[str], level: str, views: str, error_rate: float) -> SetColumns:
    """Read the prediction sets of a run, and check that they fit the weights, the observations and the scores.

    Raises:
        UserError: there are none, they are of other scores, or no observation has a set at this error rate.
    """
    if run.is_file() and run.name != run_files.checkpoint(run).name:
        message = "prediction sets are of the run's best weights"
        hint = f"predict by the run, or by {run_files.BEST}.ckpt"
        raise UserError(message, code="other-calibration", where=str(run), hint=hint)
    found = PredictionSets.read(find_home(run) / run_files.PREDICTION_SETS)
    if level == "study" and found.views != views:
        message = f"prediction sets are of the {found.views} over the views of a study"
        where, hint = f"--study-score {views}", f"--study-score {found.views}"
        raise UserError(message, code="other-calibration", where=where, hint=hint)
    found.apply(np.empty((0, len(names))), names, level, error_rate)  # before anything is predicted
    return SetColumns(found, names, level, error_rate, found.list_missing(names, level, error_rate))
