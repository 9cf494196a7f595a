"""Which studies of a run go to a reader, and what risk remains: from its predictions, and tables beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.selective.confidence import PLAIN, Confidences, compute_confidences
from chexpert.evaluation.selective.deferral import Cutoff, DeferredRow, choose_cutoff, count_deferred, rank_rows
from chexpert.evaluation.selective.evaluate import (
    average_observations,
    choose_replicates,
    compute_losses,
    evaluate_kept,
    evaluate_selective,
)
from chexpert.evaluation.selective.labeled import LabeledConfidences, check_apart, label_rows
from chexpert.evaluation.selective.run import THRESHOLD, describe_setting
from chexpert.inference.defer_inputs import DeferInputs, Source, Watch
from chexpert.inference.output_folder import find_home
from chexpert.metrics.operating_point import get_rule
from chexpert.runs.data_origin import read_folder
from chexpert.runs.synthetic import is_synthetic_path


@dataclass(frozen=True)
class Amount:
    """How many rows are deferred: one of the three, or none of them.

    Attributes:
        count: so many.
        coverage: all but this share.
        risk: so many that the mean loss of the others is at most this, chosen on the development split.
        loss: of the risk, ``error`` or ``brier``.
    """

    count: int | None = None
    coverage: float | None = None
    risk: float | None = None
    loss: str = "error"


@dataclass(frozen=True)
class Deferral:
    """The rows that go to a reader.

    Attributes:
        key: ``Path`` or ``Study``.
        rows: all rows, the least sure first.
        count: how many of them are deferred; None where no amount was asked for.
        kind: the confidence that they are ordered by.
        cutoff: chosen on the development split; None without a risk.
        setting: of the probabilities: level, views, calibration.
        content: the evaluation; None without labels.
        synthetic: whether the images are.
    """

    key: str
    rows: Sequence[DeferredRow]
    count: int | None
    kind: str
    cutoff: Cutoff | None
    setting: Mapping[str, Any]
    content: Mapping[str, Any] | None
    synthetic: bool

    @property
    def deferred(self) -> Sequence[DeferredRow]:
        """The rows that go to a reader."""
        return self.rows[: self.count or 0]


@dataclass(frozen=True)
class _Setting:
    """How the rows of every source are scored."""

    names: Sequence[str]
    level: str
    views: str
    hashed_by: Sequence[Path]

    def confide(self, source: Source) -> Confidences:
        return compute_confidences(
            source.predictions, source.spreads, self.names, self.level, self.views, source.calibration
        )

    def label(self, source: Source, confidences: Confidences) -> LabeledConfidences:
        assert source.labels is not None
        return label_rows(confidences, source.predictions, source.labels, self.level, self.views, self.hashed_by)


def defer(
    run: Path,
    *,
    split: str = "valid",
    predictions: Path | None = None,
    labels: Path | None = None,
    confidences: Sequence[str] = (PLAIN,),
    amount: Amount | None = None,
    ensemble: Sequence[Path] = (),
    spread: Path | None = None,
    tta: int | str | None = None,
    calibrated: bool = False,
    threshold: float | str = THRESHOLD,
    observations: Sequence[str] | None = None,
    level: str = "study",
    views: str | None = None,
    replicates: int | None = None,
    seed: int = 0,
    hashed_by: Sequence[Path] = (),
    watch: Watch = iter,
) -> Deferral:
    """Order the rows of a run's split, or of a file of predictions, by how sure the run is of them.

    Args:
        run: its folder.
        split: of the run.
        predictions: a file of ``chexpert predict``, in the place of the split's.
        labels: of the file; without them there is a list and no evaluation.
        confidences: of ``CONFIDENCES``; rows are ordered by the first, and the plain one is evaluated too.
        amount: how many rows are deferred.
        ensemble: predictions of the same images by other models, or runs that have the split.
        spread: folder of ``chexpert predict --spread``, for ``members`` and ``tta`` of a file of predictions.
        tta: the views of ``tta`` on a split: ``flip``, ``shift`` or a number; by default the run's own.
        calibrated: the file holds calibrated probabilities already.
        threshold: of the decisions; or the rule by which it is chosen on the development split: see
            :func:`chexpert.metrics.operating_point.get_rule`.
        observations: to average over; by default the competition's.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study; by default the run's.
        replicates: number of bootstrap replicates; by default 1000, and of more than 1,000 rows fewer.
        seed: of the resampling.
        hashed_by: run folders that hashed the names in the file; by default the run.
        watch: shows progress.

    Raises:
        UserError: a file, split or label is missing, tables are of other rows, or an amount is not possible.
    """
    amount = amount or Amount()
    kinds = tuple(dict.fromkeys([*confidences, *(["ensemble"] if ensemble else [])]))
    inputs = DeferInputs(run, kinds, ensemble, tta, watch)
    if predictions:
        source = inputs.read_files(predictions, labels, spread, calibrated=calibrated)
    else:
        source = inputs.read_split(split)
    names = inputs.choose_observations(source, observations)
    setting = _Setting(names, level, views or inputs.config.get("study_score", "max"), hashed_by or [run])
    found = setting.confide(source)
    labeled = setting.label(source, found) if source.labels else None
    development = None
    if isinstance(threshold, str) or amount.risk is not None:
        development = _read_development(inputs, setting)
        own = [*found.names, *(labeled.confidences.names if labeled else [])]
        check_apart(own, development.confidences.names, read_folder(find_home(run)), hashed_by=setting.hashed_by)
    if isinstance(threshold, str):
        assert development is not None
        thresholds = _choose_thresholds(threshold, development, inputs.development or "")
    else:
        thresholds = np.full(len(names), float(threshold))
    rows, order = rank_rows(found, kinds[0])
    cutoff, count = None, None
    if amount.risk is not None and development:
        cutoff = _choose_cutoff(kinds[0], thresholds, amount, development, inputs.development or "")
        count = sum(row.confidence < cutoff.confidence for row in rows)
    elif amount.count is not None or amount.coverage is not None:
        count = count_deferred(len(rows), amount.count, amount.coverage)
    described = describe_setting(level, setting.views, found, source.calibration, inputs.development)
    content = None
    if labeled:
        kept = ~np.isin(labeled.places, order[: count or 0])
        replicates = replicates or choose_replicates(len(labeled.labels))
        content = evaluate_selective(labeled, thresholds, replicates, seed) | {
            "threshold_rule": threshold if isinstance(threshold, str) else None,
            "without_labels": len(rows) - len(labeled.labels),
            "kept": None if count is None else evaluate_kept(labeled, thresholds, kept, replicates, seed),
        }
    key = "Study" if level == "study" else source.predictions.key
    synthetic = is_synthetic_path(source.predictions.path) or is_synthetic_path(run)
    return Deferral(key, rows, count, kinds[0], cutoff, described, content, synthetic)


def _read_development(inputs: DeferInputs, setting: _Setting) -> LabeledConfidences:
    source = inputs.read_development()
    return setting.label(source, setting.confide(source))


def _choose_thresholds(rule: str, development: LabeledConfidences, split: str) -> np.ndarray:
    """Return the thresholds (C,) that a rule chooses on the development split."""
    found = []
    for c, name in enumerate(development.confidences.observations):
        known = np.isfinite(development.labels[:, c])
        chosen = get_rule(rule)(development.confidences.probabilities[known, c], development.labels[known, c])
        if not np.isfinite(chosen):
            message = f"no threshold by this rule: the {split} split lacks a class of {name}"
            where = f"--threshold {rule}"
            raise UserError(message, code="too-few", where=where, hint="give a number: --threshold 0.5")
        found.append(chosen)
    return np.array(found)


def _choose_cutoff(
    kind: str, thresholds: np.ndarray, amount: Amount, development: LabeledConfidences, split: str
) -> Cutoff:
    losses = compute_losses(development.confidences.probabilities, development.labels, thresholds)[amount.loss]
    rows = average_observations(losses)
    known = np.isfinite(rows)
    assert amount.risk is not None
    return choose_cutoff(development.confidences.values[kind].mean(1)[known], rows[known], amount.risk, split)
