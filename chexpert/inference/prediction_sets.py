"""The prediction sets of a table of predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chexpert.checkpoints import Loaded
from chexpert.console import NOTE, log
from chexpert.evaluation import PredictionSets
from chexpert.evaluation.csv_columns import SET
from chexpert.inference.calibration import check_views, check_weights, read_fitted
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


def open_sets(
    run: Path,
    loaded: Loaded,
    names: Sequence[str],
    level: str,
    views: str,
    error_rate: float,
    calibration_file: Path | None = None,
) -> SetColumns:
    """Read the prediction sets of weights, and check that they fit the observations and the scores.

    Those beside ``calibration_file``, of ``chexpert recalibrate``, take the place of the run's own. Where there are
    none, the run's own stay: another prevalence changes no set.

    Raises:
        UserError: there are none, they are of other scores, or no observation has a set at this error rate.
    """
    beside = calibration_file and calibration_file.with_name(run_files.PREDICTION_SETS)
    if beside and beside.exists():
        found = PredictionSets.read(beside)
        check_weights(found, beside, run, loaded)
    else:
        if beside:
            log.log(NOTE, f"there is no {beside}: the prediction sets are the run's own")
        found = read_fitted(PredictionSets, run_files.PREDICTION_SETS, run, loaded)
    check_views(found, level, views, "prediction sets are")
    found.apply(np.empty((0, len(names))), names, level, error_rate)  # before anything is predicted
    return SetColumns(found, names, level, error_rate, found.list_missing(names, level, error_rate))
