"""The prediction sets that a run keeps: fitted on a development split, for single views and for studies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.calibration import leave_out_none
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.fitted_files import read_fitted_file
from chexpert.evaluation.join import LabeledScores
from chexpert.metrics import find_patient, number_studies
from chexpert.metrics.conformal import CLASSES, SETS, Bounds, choose_sets, count_needed, fit_bounds, list_ranks
from chexpert.observations import HIGHEST_ERROR_RATE
from chexpert.runs import files as run_files

HINT = "choose a run with a development split (data.dev=0.1)"


@dataclass(frozen=True)
class PredictionSets:
    """Which scores are those of rows that show an observation, and of rows that do not; see :mod:`.metrics.conformal`.

    Attributes:
        fitted_on: the split, or the name of another set of labels.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study, at that level.
        levels: scores of both classes by level and observation.
        of: as in :class:`chexpert.evaluation.Calibration`.
    """

    fitted_on: str
    views: str
    levels: Mapping[str, Mapping[str, Bounds]]
    of: str | None = None

    @classmethod
    def fit(cls, split: str, labeled: Sequence[LabeledScores]) -> "PredictionSets":
        """Keep the scores of each class at each level, of one row a patient: see :func:`select_rows`.

        Args:
            split: of ``labeled``.
            labeled: the same rows at one or more levels, scores on any scale that the applied ones have too.
        """
        return cls(split, labeled[-1].views, {one.level: fit_level(one) for one in labeled})

    @classmethod
    def read(cls, path: Path) -> "PredictionSets":
        """Read the file that :meth:`write` has written."""
        return read_fitted_file(path, cls.parse, "prediction sets", HINT)

    @classmethod
    def parse(cls, content: Any, where: str) -> "PredictionSets":
        """Return the prediction sets in the content of prediction_sets.json.

        Raises:
            UserError: ``content`` is None, as there are none, or it is of another form.
        """
        if content is None:
            message = "this run has no prediction sets: it had no split to fit them on, or is of an older version"
            hint = f"predict without --sets, or {HINT}"
            raise UserError(message, code="missing-calibration", where=where, hint=hint)
        try:
            found = cls(**content)
            _check_form(found)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"no prediction sets: {error}", code="damaged-file", where=where, hint=HINT) from error
        return found

    def write(self, path: Path) -> None:
        """Write prediction_sets.json."""
        run_files.write_json(path, leave_out_none(self))

    def apply(
        self, scores: np.ndarray, observations: Sequence[str], level: str, error_rate: float
    ) -> dict[str, list[str]]:
        """Return the sets of scores at an error rate.

        Args:
            scores: (N, C) float, as the run has written them, not calibrated.
            observations: names of the C columns.
            level: ``image`` or ``study``.
            error_rate: between 0 and .5.

        Returns:
            N texts of each observation: ``present``, ``absent``, ``both``, ``neither``; or ``none`` with the counts
            that are too low, see :meth:`list_missing`.

        Raises:
            UserError: the level or an observation was not fitted, or no observation has enough rows.
        """
        missing = self.list_missing(observations, level, error_rate)
        if len(missing) == len(observations):
            message = f"too few patients for a set at error rate {error_rate:g}: {_list_reasons(missing)}"
            hint = "fit them on more patients: by a run with a larger data.dev"
            rate = find_lowest_rate([self.levels[level][name] for name in observations])
            if rate < HIGHEST_ERROR_RATE:
                count = len(observations) - len(self.list_missing(observations, level, rate))
                have = f"at which {count} of {len(observations)} observations {'has' if count == 1 else 'have'} a set"
                hint = f"a higher error rate, --sets {rate:g}, {have}; or {hint}"
            raise UserError(message, code="too-few", where=run_files.PREDICTION_SETS, hint=hint)
        names = np.array(SETS)
        return {
            name: [f"none ({missing[name]})"] * len(scores)
            if name in missing
            else names[choose_sets(scores[:, c], self.levels[level][name], error_rate)].tolist()
            for c, name in enumerate(observations)
        }

    def list_missing(self, observations: Sequence[str], level: str, error_rate: float) -> dict[str, str]:
        """Return why an observation has no set at an error rate, by name: patients of a class that are too few.

        Raises:
            UserError: the level or an observation was not fitted.
        """
        if level not in self.levels:
            message = f"no prediction sets at level {level}: they were fitted at level {', '.join(self.levels)}"
            hint = f"--level {next(iter(self.levels), 'image')}, or without --sets"
            raise UserError(message, code="other-calibration", where=run_files.PREDICTION_SETS, hint=hint)
        fitted = self.levels[level]
        if unknown := [name for name in observations if name not in fitted]:
            message = f"no prediction sets of {', '.join(unknown)}: fitted were {', '.join(fitted)}"
            hint = "predict without --sets, or fit them by labels of these observations"
            raise UserError(message, code="other-observations", where=run_files.PREDICTION_SETS, hint=hint)
        found = {name: find_shortage(fitted[name], error_rate) for name in observations}
        return {name: why for name, why in found.items() if why}


def find_shortage(bounds: Bounds, error_rate: float) -> str | None:
    """Return which class has too few calibration rows for a set at an error rate, with the counts; None if none has.

    >>> find_shortage({"absent": {"rows": 90, "scores": []}, "present": {"rows": 5, "scores": []}}, 0.1)
    '5 patients present, 9 needed'
    """
    needed = count_needed(error_rate)
    rows = {name: bounds[name]["rows"] for name in CLASSES[::-1]}
    short = [f"{n} patient{'' if n == 1 else 's'} {name}" for name, n in rows.items() if n < needed]
    return f"{' and '.join(short)}, {needed} needed" if short else None


def find_lowest_rate(bounds: Sequence[Bounds]) -> float:
    """Return the lowest error rate, in hundredths, at which one observation has a set; 1 where it would be .5 or more.

    >>> find_lowest_rate([{"absent": {"rows": 90, "scores": []}, "present": {"rows": 5, "scores": []}}])
    0.17
    """
    most = max((min(own[kind]["rows"] for kind in CLASSES) for own in bounds), default=0)
    return next((cents / 100 for cents in range(1, 50) if count_needed(cents / 100) <= most), 1.0)


def select_rows(names: Sequence[str], wanted: np.ndarray) -> list[np.ndarray]:
    """Return K times the places of one row a patient, by a hash of the name: neither score nor order matters.

    Rows of one patient are no independent evidence, and the guarantee is of rows that are exchangeable.

    Args:
        names: of N rows.
        wanted: (K, N) bool, the rows to select from.

    >>> select_rows(["patient1/study1", "patient1/study2", "patient2/study1"], np.ones((1, 3), bool))
    [array([1, 2])]
    """
    hashes = [blake2b(strip_copy(name).encode("utf-8", "surrogateescape"), digest_size=8).digest() for name in names]
    order = np.array(sorted(range(len(names)), key=hashes.__getitem__), dtype="int64")
    patients, _ = number_studies([find_patient(name) for name in names])
    parts = (order[own[order]] for own in wanted)
    return [np.sort(own[np.unique(patients[own], return_index=True)[1]]) for own in parts]


def fit_level(labeled: LabeledScores) -> dict[str, Bounds]:
    """Fit each observation, each class on one row a patient: a patient may be in both classes."""
    labels = labeled.labels.T
    chosen = select_rows(labeled.names, np.concatenate([labels == 0, labels == 1]))
    found = {}
    for c, name in enumerate(labeled.observations):
        rows = np.concatenate([chosen[c], chosen[c + len(labeled.observations)]])
        found[name] = fit_bounds(labeled.scores[rows, c], labeled.labels[rows, c])
    return found


def _check_form(found: PredictionSets) -> None:
    for level in found.levels.values():
        for name, bounds in level.items():
            for own in (bounds[kind] for kind in CLASSES):
                if len(list_ranks(own["rows"])) != len(own["scores"]) or not np.isfinite(own["scores"]).all():
                    raise ValueError(f"the scores of {name} are damaged")


def _list_reasons(missing: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {why}" for name, why in missing.items())
