"""What a deferral reads of a run: the predictions and labels of a split or file, and the tables of each spread."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chexpert.errors import UserError
from chexpert.evaluation import Calibration, Named, read_labels, read_predictions
from chexpert.evaluation.run import find_development
from chexpert.observations import find_observation
from chexpert.runs import files as run_files
from chexpert.runs.read import read_config, read_mapping

if TYPE_CHECKING:
    from chexpert.checkpoints import Loaded

Watch = Callable[[Iterable[Any]], Iterable[Any]]
"""Iterates over batches, and shows the progress."""


@dataclass(frozen=True)
class Source:
    """Predictions, their labels, and by confidence the tables of its spread.

    Attributes:
        predictions: of N views or studies.
        labels: None where there are none.
        spreads: by ``members``, ``ensemble`` or ``tta`` its tables.
        calibration: what the predictions are calibrated by; None: they are taken as they are.
    """

    predictions: Named
    labels: Named | None
    spreads: Mapping[str, Sequence[Named]]
    calibration: Calibration | None


class DeferInputs:
    """The files and the model of a run.

    Args:
        run: its folder.
        kinds: confidences that are wanted.
        ensemble: predictions of the same images by other models, or runs.
        tta: the views of ``tta`` on a split; None: the run's own.
        watch: shows progress.
    """

    def __init__(
        self, run: Path, kinds: Sequence[str], ensemble: Sequence[Path], tta: int | str | None, watch: Watch
    ) -> None:
        if not (run / run_files.METRICS).is_file():
            message, hint = "no finished run", "give the folder of a run that has metrics.json"
            raise UserError(message, code="missing-run", where=str(run), hint=hint)
        self.run, self.kinds, self.ensemble, self.tta, self.watch = run, kinds, ensemble, tta, watch
        self.config = read_config(run)
        metrics = read_mapping(run / run_files.METRICS, required=True)
        self.splits = [split for split in run_files.EVALUATED_SPLITS if split in metrics]
        self.development = find_development(self.splits)
        path = run / run_files.CALIBRATION
        self.calibration = Calibration.read(path) if path.is_file() else None

    @cached_property
    def loaded(self) -> "Loaded":
        """The run's model."""
        from chexpert.checkpoints import load  # torch: not for those who read tables

        return load(self.run)

    def read_split(self, split: str) -> Source:
        """Read a split of the run, and run the model on its images where members or views are wanted.

        Raises:
            UserError: the run has no such split, or the model or an ensemble cannot give a spread.
        """
        files = run_files.predictions(self.run, split), run_files.labels(self.run, split)
        if missing := next((path for path in files if not path.is_file()), None):
            hint = f"--split {' or '.join(self.splits)}" if self.splits else "give a run that has finished"
            raise UserError(f"the run has no {split} split", code="missing-split", where=str(missing), hint=hint)
        predictions = read_predictions(files[0])
        spreads = {kind: self._predict(kind, split, predictions) for kind in self.kinds if kind in ("members", "tta")}
        if "ensemble" in self.kinds:
            spreads["ensemble"] = [predictions, *self._read_ensemble(split)]
        return Source(predictions, read_labels(files[1]), spreads, self.calibration)

    def read_files(self, path: Path, labels: Path | None, spread: Path | None, *, calibrated: bool) -> Source:
        """Read a file of predictions of other images.

        Raises:
            UserError: the tables of a spread that is wanted are not given.
        """
        predictions = read_predictions(path)
        spreads: dict[str, Sequence[Named]] = {}
        if wanted := [kind for kind in self.kinds if kind in ("members", "tta")]:
            spreads |= self._read_tables(wanted, spread)
        if "ensemble" in self.kinds:
            spreads["ensemble"] = [predictions, *self._read_ensemble(None)]
        fitted = None if calibrated else self.calibration
        return Source(predictions, read_labels(labels) if labels else None, spreads, fitted)

    def read_development(self) -> Source:
        """Read the split on which thresholds and cutoffs are chosen.

        Raises:
            UserError: the run has none.
        """
        if not self.development:
            message = "the run has no development split to choose a cutoff or threshold on"
            hint = "a run with data.dev=0.1, or --count N, --coverage X and a number as --threshold"
            raise UserError(message, code="missing-split", where=str(self.run), hint=hint)
        return self.read_split(self.development)

    def choose_observations(self, source: Source, asked: Sequence[str] | None) -> list[str]:
        """Return the observations to average over: those asked for, or by default the competition's.

        Raises:
            UserError: one is not there.
        """
        from chexpert.evaluation.selective.run import choose_observations

        known = [name for name in source.predictions.columns if not source.labels or name in source.labels.columns]
        if not asked:
            return choose_observations(known)
        found = list(dict.fromkeys(find_observation(name) or name for name in asked))
        if unknown := [name for name in found if name not in known]:
            message, hint = f"not there: {', '.join(unknown)}", f"some of {', '.join(known)}"
            raise UserError(message, code="unknown-observation", where="--observations", hint=hint)
        return found

    def _read_ensemble(self, split: str | None) -> list[Named]:
        if not self.ensemble:
            message = "the spread of an ensemble needs the predictions of another model, and there is one file"
            hint = "--ensemble RUN|P.csv ..., of the same images"
            raise UserError(message, code="too-few", where="--confidence ensemble", hint=hint)
        return [self._read_other(path, split) for path in self.ensemble]

    def _read_other(self, path: Path, split: str | None) -> Named:
        if not path.is_dir():
            return read_predictions(path)
        if split is None:
            message, hint = "a run, where a file of predictions of the same images is needed", "predict them by it"
            raise UserError(message, code="input-kind", where=str(path), hint=f"{hint}: chexpert predict")
        own = run_files.predictions(path, split)
        if not own.is_file():
            hint = "give runs that have this split"
            raise UserError(f"the run has no {split} split", code="missing-split", where=str(own), hint=hint)
        return read_predictions(own)

    def _read_tables(self, wanted: Sequence[str], folder: Path | None) -> dict[str, Sequence[Named]]:
        from chexpert.inference.spread_tables import read_spreads

        where = f"--confidence {wanted[0]}"
        hint = "--spread FOLDER, which chexpert predict RUN INPUT OUTPUT.csv --spread FOLDER writes"
        if folder is None:
            message = "the images of a file are not here: the tables of its spread are needed"
            raise UserError(message, code="missing-argument", where=where, hint=hint)
        found = read_spreads(folder)
        if missing := [kind for kind in wanted if kind not in found]:
            hint = f"--confidence {' '.join(found)}, or predict again" + (" with --tta" if missing == ["tta"] else "")
            raise UserError(f"no tables of {', '.join(missing)}", code="missing-file", where=str(folder), hint=hint)
        return {kind: found[kind] for kind in wanted}

    def _predict(self, kind: str, split: str, predictions: Named) -> list[Named]:
        from chexpert.inference.predict import open_transforms
        from chexpert.inference.spread import open_spread, predict_split, take_rows

        tta = self.tta if self.tta is not None else self.config.get("tta")
        if kind == "tta" and tta is None:
            message, hint = "the run has no views of its own", "--confidence tta --tta flip, shift or a number of views"
            raise UserError(message, code="missing-argument", where="--tta", hint=hint)
        transforms = open_transforms(self.loaded, tta) if kind == "tta" and tta is not None else None
        spread = open_spread(self.loaded, transforms, f"--confidence {kind}", "--confidence tta --tta shift")
        tables = predict_split(self.loaded, run_files.checkpoint(self.run), split, spread, self.watch)
        return [take_rows(table, predictions) for table in tables]
