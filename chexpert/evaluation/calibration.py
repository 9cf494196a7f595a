"""The calibration that a run keeps: fitted on a development split, for single views and for studies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import ProblemError
from chexpert.evaluation.join import Judged
from chexpert.evaluation.observation_metrics import judge_calibration, take_samples
from chexpert.metrics.bootstrap import draw_studies
from chexpert.metrics.calibration import METHODS, Parameters, calibrate
from chexpert.runs import files as run_files


@dataclass(frozen=True)
class Calibration:
    """How each observation's scores become probabilities.

    Attributes:
        method: ``temperature``, ``platt`` or ``isotonic``.
        fitted_on: the split.
        views: ``max`` or ``mean`` over the views of a study, at that level.
        levels: parameters by level and observation; None where a class was absent. A study's score is another quantity
            than a view's, so each level has its own.
    """

    method: str
    fitted_on: str
    views: str
    levels: Mapping[str, Mapping[str, Parameters | None]]

    @classmethod
    def fit(cls, method: str, split: str, judged: Sequence[Judged]) -> "Calibration":
        """Fits each observation at each level.

        Args:
            method: see above.
            split: what ``judged`` is of.
            judged: the same split at one or more levels, scores in [0, 1].
        """
        levels = {one.level: {name: _fit(method, one, name) for name in one.observations} for one in judged}
        return cls(method, split, judged[-1].views, levels)

    @classmethod
    def read(cls, path: Path) -> "Calibration":
        """Reads what :meth:`write` has written."""
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
            if not all(isinstance(level, dict) for level in found.levels.values()):
                raise ValueError("its levels are damaged")
            return found
        except FileNotFoundError as error:
            what = "this run has no calibration: it had no split to fit one on, or was told to fit none"
            mend = (
                "predict without --calibrated, or by a run with data.dev=0.1 (or data.test=true) and calibration=platt"
            )
            raise ProblemError(what, where=str(path), mend=mend) from error
        except (OSError, ValueError, TypeError, AttributeError) as error:
            mend = "choose a run with a development split (data.dev=0.1) and calibration=platt"
            raise ProblemError(f"no calibration: {error}", where=str(path), mend=mend) from error

    def write(self, path: Path) -> None:
        """Writes calibration.json."""
        run_files.write_json(path, asdict(self))

    def apply(self, scores: np.ndarray, observations: Sequence[str], level: str) -> np.ndarray:
        """(N, C) calibrated probabilities of scores (N, C) in [0, 1].

        Raises:
            ProblemError: the level or an observation was not fitted.
        """
        fitted = {name: parameters for name, parameters in self.levels.get(level, {}).items() if parameters}
        if missing := [name for name in observations if name not in fitted]:
            what = f"no calibration of {', '.join(missing)} at level {level}: {self.fitted_on} lacked a class of it"
            raise ProblemError(what, where=run_files.CALIBRATION, mend="leave them out, or take the raw probabilities")
        return np.column_stack([calibrate(scores[:, c], fitted[name]) for c, name in enumerate(observations)])


def judge_calibrated(judged: Judged, calibration: Calibration, seed: int = 0) -> dict[str, Any] | None:
    """Brier score and calibration error after calibration, of the observations that were fitted, with its yardstick.

    None where nothing was fitted at this level.
    """
    fitted = calibration.levels.get(judged.level, {})
    names = [name for name in judged.observations if fitted.get(name)]
    if not names:
        return None
    columns = [list(judged.observations).index(name) for name in names]
    scores = calibration.apply(judged.scores[:, columns], names, judged.level)
    told = replace(judged, observations=names, scores=scores, labels=judged.labels[:, columns])
    samples = take_samples(told, draw_studies(judged.studies, seed=seed))
    figures = {sample.observation: judge_calibration(sample) for sample in samples}
    return {"method": calibration.method, "fitted_on": calibration.fitted_on, "figures": figures}


def _fit(method: str, judged: Judged, name: str) -> dict[str, Any] | None:
    scores, labels, _ = judged.column(name)
    return METHODS[method](scores, labels) if 0 < labels.sum() < len(labels) else None
