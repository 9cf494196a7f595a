"""Fit a run's calibration and thresholds anew on a few studies that experts have labeled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.evaluation.calibration import Calibration
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.evaluate import find_scale_error
from chexpert.evaluation.join import LabeledScores, count_studies, describe_bootstrap, join_labels
from chexpert.evaluation.prediction_sets import PredictionSets
from chexpert.evaluation.predictions import Named, read_labels, read_predictions
from chexpert.evaluation.recalibrated_levels import (
    FITTED_ON,
    fit_levels,
    list_kept,
    merge_calibration,
    merge_thresholds,
    take_given,
)
from chexpert.evaluation.remedies import LEAST, evaluate_remedies
from chexpert.evaluation.thresholds import Thresholds
from chexpert.metrics import find_study, list_patients
from chexpert.metrics.resampling import sample_studies
from chexpert.runs import files as run_files
from chexpert.runs.data_origin import read_folder

REPORT = "recalibration.json"


@dataclass(frozen=True)
class Recalibration:
    """What a recalibration has fitted and found.

    Attributes:
        calibration: with the observations that were left as they are.
        thresholds: likewise.
        sets: prediction sets of the new labels; None without a refit: another prevalence changes none, since each class
            has its own.
        report: level, counts, and by observation the remedies, see :func:`evaluate_remedies`.
    """

    calibration: Calibration
    thresholds: Thresholds
    sets: PredictionSets | None
    report: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write calibration.json, thresholds.json, prediction_sets.json and recalibration.json."""
        self.calibration.write(folder / run_files.CALIBRATION)
        self.thresholds.write(folder / run_files.THRESHOLDS)
        if self.sets:
            self.sets.write(folder / run_files.PREDICTION_SETS)
        run_files.write_json(folder / REPORT, self.report)


def recalibrate(
    run: Path,
    labels: Path,
    *,
    predictions: Path | None = None,
    level: str = "study",
    prevalence: Mapping[str, float] | None = None,
    write: str = "refit",
    hashed_by: Sequence[Path] = (),
    replicates: int = 1000,
    seed: int = 0,
) -> Recalibration:
    """Evaluate thresholds and calibration of a run on new labels, and fit them anew.

    Args:
        run: run folder.
        labels: CSV file of the new labels, 1, 0 or blank, by Path or Study.
        predictions: CSV file of the run's raw probabilities for these images; by default the run's own.
        level: ``study`` or ``image``: what is evaluated. Fitted are both levels where the labels allow it.
        prevalence: of some observations, each in (0, 1); that of others is estimated from the scores.
        write: ``refit`` or ``prior_shift``: the remedy whose calibration and thresholds are returned.
        hashed_by: run folders whose predictions have hashed names.
        replicates: of the intervals.
        seed: of the resampling and of the folds.

    Raises:
        UserError: the run has no calibration or thresholds, the files do not match, the labels are of patients that the
            run chose its thresholds or trained on, or nothing can be fitted.
    """
    calibration = Calibration.read(run / run_files.CALIBRATION)
    thresholds = Thresholds.read(run / run_files.THRESHOLDS)
    truth = read_labels(labels)
    check_patients(run, thresholds.chosen_on, truth)
    scores = read_predictions(predictions or select_predictions(run, thresholds.chosen_on, truth))
    joined = {level: join_labels(scores, truth, level, thresholds.views, hashed_by or [run])}
    main = joined[level]
    if why := find_scale_error(main.scores):
        hint = "give raw probabilities, as chexpert predict writes them without --calibrated"
        raise UserError(why, code="not-probability", where=str(scores.path), hint=hint)
    known = check_prevalence(prevalence or {}, main.observations)
    joined |= _join_other(scores, truth, main, hashed_by or [run])
    levels = fit_levels(joined, calibration, thresholds, known, write)
    if not any(levels.values()):
        message = f"no observation has {LEAST} positives and {LEAST} negatives among {len(main.names)} rows"
        if write != "refit":
            message = "of no observation is a prevalence between 0 and 1 given or estimated"
        hint = "label more studies that show the findings" + ("" if write == "refit" else ", or give --prevalence")
        raise UserError(message, code="too-few", where=str(labels), hint=hint)
    counts = sample_studies(int(main.studies.max()) + 1, replicates, seed)
    found = {name: take_given(main, name, calibration, thresholds, known.get(name)) for name in main.observations}
    remedies = {
        name: {"positives": int(main.column(name)[1].sum()), "negatives": int((1 - main.column(name)[1]).sum())}
        | {"remedies": evaluate_remedies(given, counts, seed) if given and len(given.labels) else None}
        for name, given in found.items()
    }
    report = {
        "level": level, "views": main.views if level == "study" else None, "n": len(main.names),
        "studies": count_studies(main.names, level),
        "bootstrap": describe_bootstrap(main.names, main.studies, replicates, seed), "written": write, "least": LEAST,
        "chosen_on": thresholds.chosen_on, "labels_before": thresholds.labels, "left_as_is": list_kept(joined, levels),
        "given_prevalence": dict(known), "observations": remedies,
        "left_out": {side: len(names) for side, names in main.left_out.items()},
    }  # fmt: skip
    sets = None
    if write == "refit":
        sets = replace(PredictionSets.fit(FITTED_ON, list(joined.values())), of=calibration.digest)
    return Recalibration(
        merge_calibration(calibration, levels),
        merge_thresholds(thresholds, levels, given=write == "refit"),
        sets,
        report,
    )


def check_patients(run: Path, split: str, truth: Named) -> None:
    """Raise an error if the labels are of patients whose scores look too good, and note what cannot be checked.

    Those are the patients on whom the run chose its thresholds, and those whose images it has seen in training.
    """
    chosen, trained = run_files.labels(run, split), run_files.predictions(run, "train")
    known = ((chosen, read_labels, "chose its thresholds"), (trained, read_predictions, "trained"))
    origin = read_folder(run)
    for path, read, what in known:
        if path.is_file() and (shared := list_patients(truth.names, origin) & list_patients(read(path).names, origin)):
            message = f"{len(shared)} patients are those on whom the run {what} ({path.parent.name}/{path.name})"
            hint = "label studies of other patients"
            raise UserError(message, code="shared-patients", where=f"{truth.path}: {min(shared)}", hint=hint)
    if not trained.is_file():
        message = f"whether it trained on patients of {truth.path} is not checked: {trained} is not there"
        log.log(NOTE, f"{message} (predict_train=true writes it)")


def select_predictions(run: Path, chosen_on: str, truth: Named) -> Path:
    """Return the one file of the run's predictions that has the labeled studies.

    Raises:
        UserError: there is none, or several.
    """
    wanted, found = _list_studies(truth), []
    for split in run_files.EVALUATED_SPLITS:
        path = run_files.predictions(run, split)
        if split != chosen_on and path.is_file() and wanted & _list_studies(read_predictions(path)):
            found.append(path)
    if len(found) == 1:
        return found[0]
    if found:
        message, code = f"these studies are in {' and '.join(path.name for path in found)}", "ambiguous-row"
    else:
        message, code = "the run has predicted none of these studies", "no-overlap"
    command = f"chexpert predict {run} IMAGES NEW.csv --level image --observations all --ids path"
    hint = f"{command}, then --predictions NEW.csv"
    raise UserError(message, code=code, where=str(truth.path), hint=hint)  # type: ignore[arg-type]


def check_prevalence(prevalence: Mapping[str, float], observations: Sequence[str]) -> Mapping[str, float]:
    """Return the given prevalences, or raise an error if one is outside (0, 1) or of another observation."""
    for name, value in prevalence.items():
        where = f"--prevalence {name}={value:g}"
        if name not in observations:
            hint = f"one of {', '.join(observations)}"
            raise UserError(f"no labels or scores of {name}", code="unknown-observation", where=where, hint=hint)
        if not 0 < value < 1:
            raise UserError("a prevalence lies between 0 and 1", code="value", where=where, hint="such as 0.15")
    return prevalence


def _join_other(
    scores: Named, truth: Named, main: LabeledScores, hashed_by: Sequence[Path]
) -> dict[str, LabeledScores]:
    """Return the other level, where files and labels allow it."""
    other = "image" if main.level == "study" else "study"
    try:
        return {other: join_labels(scores, truth, other, main.views, hashed_by)}
    except UserError:  # files of studies have no images; views of one study may have different labels
        return {}


def _list_studies(rows: Named) -> set[str]:
    return {strip_copy(name if rows.key == "Study" else find_study(name)) for name in rows.names}
