"""The calibration that a run keeps: fitted on a development split, for single views and for studies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.fitted_files import read_fitted_file
from chexpert.evaluation.join import LabeledScores
from chexpert.evaluation.observation_metrics import evaluate_calibration, take_samples
from chexpert.metrics.calibration import METHODS, Parameters, calibrate
from chexpert.metrics.resampling import sample_studies
from chexpert.runs import files as run_files

OTHER_RUN = "choose a run with a development split (data.dev=0.1) and calibration=platt"


@dataclass(frozen=True)
class Calibration:
    """How each observation's scores become probabilities.

    Attributes:
        method: ``temperature``, ``platt`` or ``isotonic``.
        fitted_on: the split.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study, at that level.
        levels: parameters by level and observation; None where a class was absent. A study's score is another quantity
            than a view's, so each level has its own.
        of: :attr:`digest` of the run's own calibration, where this one takes its place; None in a run.
    """

    method: str
    fitted_on: str
    views: str
    levels: Mapping[str, Mapping[str, Parameters | None]]
    of: str | None = None

    @classmethod
    def fit(cls, method: str, split: str, labeled: Sequence[LabeledScores]) -> "Calibration":
        """Fit each observation at each level.

        Args:
            method: see above.
            split: of ``labeled``.
            labeled: the same split at one or more levels, scores in [0, 1].
        """
        levels = {one.level: {name: _fit(method, one, name) for name in one.observations} for one in labeled}
        return cls(method, split, labeled[-1].views, levels)

    @classmethod
    def read(cls, path: Path) -> "Calibration":
        """Read the file that :meth:`write` has written."""
        return read_fitted_file(path, cls.parse, "calibration", OTHER_RUN)

    @classmethod
    def parse(cls, content: Any, where: str) -> "Calibration":
        """Return the calibration in the content of calibration.json.

        Raises:
            UserError: ``content`` is None, as there is none, or it is of another form.
        """
        if content is None:
            message = "this run has no calibration: it had no split to fit one on, or calibration=null"
            hint = (
                "predict without --calibrated, or by a run with data.dev=0.1 (or data.test=true) and calibration=platt"
            )
            raise UserError(message, code="missing-calibration", where=where, hint=hint)
        try:
            found = cls(**content)
            if not all(isinstance(level, dict) for level in found.levels.values()):
                raise ValueError("its levels are damaged")
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"no calibration: {error}", code="damaged-file", where=where, hint=OTHER_RUN) from error
        return found

    def write(self, path: Path) -> None:
        """Write calibration.json."""
        run_files.write_json(path, leave_out_none(self))

    @property
    def digest(self) -> str:
        """What says whose calibration this is: no two fits on the scores of different weights are the same."""
        text = json.dumps({"method": self.method, "views": self.views, "levels": self.levels}, sort_keys=True)
        return sha256(text.encode()).hexdigest()

    def apply(self, scores: np.ndarray, observations: Sequence[str], level: str) -> np.ndarray:
        """Return calibrated probabilities (N, C) of scores (N, C) in [0, 1].

        Raises:
            UserError: the level or an observation was not fitted.
        """
        fitted = {name: parameters for name, parameters in self.levels.get(level, {}).items() if parameters}
        if missing := [name for name in observations if name not in fitted]:
            message = f"no calibration of {', '.join(missing)} at level {level}: {self.fitted_on} lacked a class of it"
            raise UserError(
                message,
                code="missing-calibration",
                where=run_files.CALIBRATION,
                hint="leave them out, or take the raw probabilities",
            )
        return np.column_stack([calibrate(scores[:, c], fitted[name]) for c, name in enumerate(observations)])


def leave_out_none(fitted: Any) -> dict[str, Any]:
    """Return the content of a file of fitted parameters: what a run does not have is left out."""
    return {key: value for key, value in asdict(fitted).items() if value is not None}


def evaluate_calibrated(labeled: LabeledScores, calibration: Calibration, seed: int = 0) -> dict[str, Any] | None:
    """Return Brier score and calibration error after calibration, with the evaluation setting.

    Observations without fitted parameters are left out.

    Args:
        labeled: N rows with scores in [0, 1], of another split than the calibration was fitted on.
        calibration: the parameters by level and observation.
        seed: seed of the resampling of studies.

    Returns:
        ``method``, ``fitted_on`` and "figures": for each observation ``brier`` and ``ece``, each in [0, 1] with its
        95 % interval. None if no observation was fitted at this level.
    """
    fitted = calibration.levels.get(labeled.level, {})
    names = [name for name in labeled.observations if fitted.get(name)]
    if not names:
        return None
    columns = [list(labeled.observations).index(name) for name in names]
    scores = calibration.apply(labeled.scores[:, columns], names, labeled.level)
    calibrated = replace(labeled, observations=names, scores=scores, labels=labeled.labels[:, columns])
    counts = sample_studies(int(labeled.studies.max()) + 1, seed=seed)
    samples = take_samples(calibrated, counts, ["brier", "ece"])
    metrics = {name: evaluate_calibration(sample) for name, sample in samples.items()}
    return {"method": calibration.method, "fitted_on": calibration.fitted_on, "figures": metrics}


def _fit(method: str, labeled: LabeledScores, name: str) -> dict[str, Any] | None:
    scores, labels, _ = labeled.column(name)
    return METHODS[method](scores, labels) if 0 < labels.sum() < len(labels) else None
